// Numbers that depend on a seed alone (mulberry32), to dream the same dream again.

export function seeded(seed) {
  // A function that returns the next number, uniform in [0, 1) and exact in float32
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 8) / 2 ** 24;
  };
}

export function sample(probs, temperature, random) {
  // An index, by these probabilities after a temperature
  const logs = Array.from(probs, (p) => Math.log(p) / temperature);
  const highest = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - highest));
  let left = random() * weights.reduce((sum, weight) => sum + weight);
  const found = weights.findIndex((weight) => (left -= weight) < 0);
  return found < 0 ? weights.indexOf(Math.max(...weights)) : found; // rounding left some
}
