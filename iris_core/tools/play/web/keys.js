// From what is held down to an action. Keys are named as in KeyboardEvent.key, letters in
// lower case; buttons are those of a joystick, of which the names of actions are made.

const ARROWS = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };
const KEY_LABELS = { ...ARROWS, " ": "space" };

export const SCROLLING = [...Object.keys(ARROWS), " ", "PageUp", "PageDown", "Home", "End"];

export function keyLabel(key) {
  return KEY_LABELS[key] ?? key;
}

export function keyOf(event) {
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

export function buttonsOf(keys, keyMap) {
  // The buttons that these keys press; keyMap: {button: [keys]}
  const pressed = ([, names]) => names.some((name) => keys.has(name));
  return Object.entries(keyMap).filter(pressed).map(([button]) => button);
}

export function actionOf(held, actions, buttons) {
  // The number of the action that needs most of the held buttons and no others; null if
  // nothing is held. buttons: {action: [buttons]}
  if (!held.length) return null;
  let best = null;
  actions.forEach((name, i) => {
    const needed = buttons[name];
    if (!needed.every((button) => held.includes(button))) return;
    if (best === null || needed.length > buttons[actions[best]].length) best = i;
  });
  return best;
}

const CROSS = { 12: "ArrowUp", 13: "ArrowDown", 14: "ArrowLeft", 15: "ArrowRight" };
const STICK = 0.5; // how far it must lean

export function gamepadKeys() {
  // The keys that gamepads stand for: the left stick or the cross, and any of four buttons
  const keys = new Set();
  for (const pad of navigator.getGamepads?.() ?? []) {
    if (!pad) continue;
    const [x = 0, y = 0] = pad.axes;
    if (x < -STICK) keys.add("ArrowLeft");
    if (x > STICK) keys.add("ArrowRight");
    if (y < -STICK) keys.add("ArrowUp");
    if (y > STICK) keys.add("ArrowDown");
    pad.buttons.forEach(({ pressed }, i) => {
      if (pressed && i in CROSS) keys.add(CROSS[i]);
      if (pressed && i < 4) keys.add(" ");
    });
  }
  return keys;
}
