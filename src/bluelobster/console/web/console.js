// The console's page: one ticket, one screen.

import RFB from "./novnc/core/rfb.js";
import { typeText, untypable } from "./typing.js";

const ENDINGS = {
  1000: "The console has ended",
  4401: "This link does not work any more",
  4409: "The machine is off",
  4429: "Too many consoles are open",
  4502: "The screen does not answer",
};
const LOST = "The machine was switched off, or the connection was lost. Ask for a new console to go on.";
const NO_TICKET = "A console link opens one console, once. Ask for a new one to go on.";

const part = (id) => document.getElementById(id);
const ticket = location.hash.slice(1);
// A reload must not try a ticket that is used, and nobody should find it in the history.
history.replaceState(null, "", location.pathname);

let rfb = null;

function show(state, text) {
  document.body.dataset.state = state;
  part("state").textContent = text;
  for (const id of ["ctrl-alt-del", "paste"]) { part(id).disabled = state !== "connected"; }
}

function end(title, text) {
  if (document.body.dataset.state === "ended") { return; }
  show("ended", "Ended");
  part("paper").close();
  part("end-title").textContent = title;
  part("end-text").textContent = text;
  part("end").hidden = false;
}

function connect() {
  const url = new URL(document.body.dataset.gateway);
  url.searchParams.set("ticket", ticket);
  const socket = new WebSocket(url);
  socket.addEventListener("close", (event) => {
    end(ENDINGS[event.code] ?? "The connection was lost", event.reason || LOST);
  });

  rfb = new RFB(part("screen"), socket);
  rfb.scaleViewport = true;
  rfb.background = "transparent";
  rfb.addEventListener("connect", () => {
    show("connected", "Connected");
    rfb.focus();
  });
  rfb.addEventListener("desktopname", (event) => {
    const name = event.detail.name.replace(/^QEMU \((.*)\)$/, "$1");
    part("name").textContent = name;
    document.title = `${name} – console`;
  });
}

async function typePaper() {
  const text = part("text").value;
  const missing = untypable(text);
  if (missing.length > 0) {
    part("text-note").textContent = `Not on a US keyboard: ${missing.slice(0, 10).join(" ")}`;
    return;
  }
  part("text").value = "";
  part("paper").close();
  rfb.focus();
  await typeText(rfb, text);
}

part("ctrl-alt-del").addEventListener("click", () => {
  rfb.sendCtrlAltDel();
  rfb.focus();
});
part("paste").addEventListener("click", () => {
  part("text-note").textContent = "";
  part("paper").showModal();
});
part("cancel").addEventListener("click", () => { part("paper").close(); });
part("type").addEventListener("click", typePaper);
part("full-screen").addEventListener("click", async () => {
  if (document.fullscreenElement) {
    await document.exitFullscreen();
  } else {
    await document.documentElement.requestFullscreen();
  }
  rfb?.focus();
});

// A second link in the same tab differs in its fragment only, which loads nothing by itself.
addEventListener("hashchange", () => { location.reload(); });

if (!window.isSecureContext) {
  end("This page needs https", "Browsers let a page have a keyboard and a screen only through https.");
} else if (ticket) {
  connect();
} else {
  end("There is no ticket", NO_TICKET);
}
