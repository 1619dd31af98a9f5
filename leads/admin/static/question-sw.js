// Shows the question as a notification of the browser, with its buttons, while no window of the panel has the focus.
"use strict";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const windows = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });
const ended = new Set();

// The tag is the ringing: several windows that ask for one notification get one.
async function show(question, texts, csrf) {
  ended.delete(question.id);
  if ((await windows()).some((one) => one.focused)) return;
  if (ended.has(question.id)) return;
  const actions = [
    { action: "accept", title: texts.accept },
    { action: "reject", title: texts.reject },
  ];
  await self.registration.showNotification(question.title, {
    body: question.body,
    tag: question.id,
    requireInteraction: true,
    actions: question.steered ? actions : [],
    data: { id: question.id, csrf, texts },
  });
}

async function hide(id) {
  ended.add(id);
  for (const shown of await self.registration.getNotifications({ tag: id })) shown.close();
}

async function act(action, notification) {
  const { id, csrf, texts } = notification.data;
  notification.close();
  if (action !== "accept" && action !== "reject") {
    const [open] = await windows();
    return open ? open.focus() : self.clients.openWindow("/live");
  }
  let said = { outcome: "failed", text: texts.failed };
  try {
    const answer = await fetch(`/questions/${action}`, { method: "POST", body: new URLSearchParams({ csrf, ring: id }) });
    if (answer.ok && answer.headers.get("Content-Type")?.startsWith("application/json")) said = await answer.json();
  } catch {
    // The word for it is there already.
  }
  if (said.outcome === "answered" || said.outcome === "rejected") return said;
  await self.registration.showNotification(said.text, { tag: `${id} said`, data: {} });
  return said;
}

self.addEventListener("message", (event) => {
  const { question, hidden, texts, csrf } = event.data;
  event.waitUntil(hidden ? hide(hidden) : show(question, texts, csrf));
});
self.addEventListener("notificationclick", (event) => {
  event.waitUntil(event.notification.data.id ? act(event.action, event.notification) : event.notification.close());
});
