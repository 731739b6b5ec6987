// Typing a text on a US keyboard: which key, and whether with Shift.

import keysyms from "./novnc/core/input/keysymdef.js";

const SHIFT = 0xffe1;
const RETURN = 0xff0d;
const TAB = 0xff09;
// A keyboard of QEMU keeps 16 bytes, a character with Shift is 8, and a guest that waits for its turn reads none.
const PAUSE_MS = 40;

const PLAIN = {
  " ": "Space", "`": "Backquote", "-": "Minus", "=": "Equal", "[": "BracketLeft", "]": "BracketRight",
  "\\": "Backslash", ";": "Semicolon", "'": "Quote", ",": "Comma", ".": "Period", "/": "Slash",
  "\n": "Enter", "\t": "Tab",
};
const SHIFTED = {
  "~": "Backquote", "_": "Minus", "+": "Equal", "{": "BracketLeft", "}": "BracketRight", "|": "Backslash",
  ":": "Semicolon", '"': "Quote", "<": "Comma", ">": "Period", "?": "Slash",
};
for (const letter of "abcdefghijklmnopqrstuvwxyz") {
  PLAIN[letter] = SHIFTED[letter.toUpperCase()] = `Key${letter.toUpperCase()}`;
}
for (const [digit, sign] of [..."1234567890"].map((digit, index) => [digit, "!@#$%^&*()"[index]])) {
  PLAIN[digit] = SHIFTED[sign] = `Digit${digit}`;
}

function keysymOf(character) {
  if (character === "\n") { return RETURN; }
  if (character === "\t") { return TAB; }
  return keysyms.lookup(character.codePointAt(0));
}

// Characters of a text that a US keyboard lacks, each once.
export function untypable(text) {
  return [...new Set(lines(text))].filter((character) => !(character in PLAIN) && !(character in SHIFTED));
}

// Type a text slowly enough for a guest's keyboard.
export async function typeText(rfb, text) {
  for (const character of lines(text)) {
    const shifted = character in SHIFTED;
    const code = shifted ? SHIFTED[character] : PLAIN[character];
    if (shifted) { rfb.sendKey(SHIFT, "ShiftLeft", true); }
    rfb.sendKey(keysymOf(character), code);
    if (shifted) { rfb.sendKey(SHIFT, "ShiftLeft", false); }
    await new Promise((resume) => { setTimeout(resume, PAUSE_MS); });
  }
}

function lines(text) {
  return text.replace(/\r\n?/g, "\n");
}
