export class Refusal extends Error {} // a sentence for whoever plays
