// The tree of everything that was played. A line goes from the root along each `next`, the
// child visited last. iris_core/tools/play/worlds.py has the same node.

export class Node {
  // tokens: of the frame. frame: RGB bytes. past: the blocks before it, in the world model's
  // memory. action: the one that led here. step, total: steps and return so far. expected:
  // what the world model had said, null if it was not asked. probs, value, lstm: of the
  // policy, after this frame.
  constructor(found, parent = null, action = null) {
    Object.assign(this, found);
    this.parent = parent;
    this.action = action;
    this.step = parent ? parent.step + 1 : 0;
    this.total = (parent ? parent.total : 0) + this.reward;
    this.children = [];
    this.next = null;
    this.painted = false;
  }

  get memoryRefilled() {
    // Whether the world model's full memory was cut in this step
    const { parent, past } = this;
    return parent !== null && past.length > 0 && past.length <= parent.past.length;
  }

  path() {
    // From the root to this node
    const nodes = [];
    for (let node = this; node; node = node.parent) nodes.push(node);
    return nodes.reverse();
  }
}

export function lineFrom(root) {
  const nodes = [];
  for (let node = root; node; node = node.next) nodes.push(node);
  return nodes;
}

export function allFrom(root) {
  // Depth first, parents before children
  const nodes = [];
  const stack = [root];
  while (stack.length) {
    const node = stack.pop();
    nodes.push(node);
    for (let i = node.children.length - 1; i >= 0; i -= 1) stack.push(node.children[i]);
  }
  return nodes;
}

export function leavesFrom(root) {
  // The last node of each branch
  return allFrom(root).filter((node) => !node.children.length);
}
