// Lists and cards: a chosen filter is applied at once; one box ticks all; contact persons are added and removed without asking the server.
"use strict";

(() => {
  // With the keyboard each press of an arrow chooses the next: sent at once, nobody would come to the third choice. So
  // what keys choose is sent by Enter, or when its form is left; then the choice has the focus again.
  const KEPT = "leadline-chosen", waiting = new Map();
  let byKey = false;

  const send = (form) => {
    if (waiting.has(form)) sessionStorage.setItem(KEPT, JSON.stringify([location.pathname, waiting.get(form)]));
    waiting.delete(form);
    form.requestSubmit();
  };

  const [path, name] = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  sessionStorage.removeItem(KEPT);
  if (path === location.pathname && name) {
    document.querySelector(`select[data-submit][name="${CSS.escape(name)}"]`)?.focus({ preventScroll: true });
  }

  for (const other of ["pointerdown", "focusin"]) document.addEventListener(other, () => { byKey = false; }, true);
  document.addEventListener("keydown", (event) => {
    byKey = !event.altKey && !["Enter", " ", "Escape"].includes(event.key);
    const form = event.target.form;
    if (event.key === "Enter" && event.target.matches("[data-submit]") && waiting.has(form)) {
      event.preventDefault();
      send(form);
    }
  }, true);
  document.addEventListener("focusout", (event) => {
    const form = event.target.form;
    // Whoever looks into another window has not left.
    if (waiting.has(form) && !form.contains(event.relatedTarget) && document.hasFocus()) send(form);
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) {
      if (byKey) waiting.set(event.target.form, event.target.name);
      else send(event.target.form);
    }
    if (event.target.matches("[data-tick-all]")) {
      for (const box of document.getElementsByName(event.target.dataset.tickAll)) {
        if (box.type === "checkbox" && !box.disabled) box.checked = event.target.checked;
      }
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add-person], [data-remove-person]");
    if (!button) return;
    event.preventDefault();
    const persons = button.closest("[data-persons]");
    if (button.hasAttribute("data-remove-person")) {
      button.closest(".person").remove();
      persons.querySelector("[data-add-person]").focus();
      return;
    }
    const person = persons.querySelector("template").content.cloneNode(true);
    const name = person.querySelector("[name=person_name]");
    button.before(person);
    name.focus();
  });
})();
