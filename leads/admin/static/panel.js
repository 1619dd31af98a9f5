// What every page needs: the switch between light and dark, and rows that are added to or removed from a form.
"use strict";

(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = root.dataset.theme === "auto" ? (dark.matches ? "dark" : "light") : root.dataset.theme;
      root.dataset.theme = shown === "dark" ? "light" : "dark";
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `leadline_theme=${root.dataset.theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    });
  }

  // On a phone the company's pages stand in one row: where one is has to be in sight.
  document.querySelector(".subnav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  document.querySelector(".nav-sub [aria-current]")?.scrollIntoView({ block: "nearest" });

  // A form that came back begins where it has to be corrected.
  document.querySelector("main [aria-invalid]")?.focus();

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add-row], [data-remove-row], [data-move-row]");
    if (!button) return;
    if (button.hasAttribute("data-move-row")) {
      const row = button.closest(".row");
      if (row.previousElementSibling?.classList.contains("row")) row.previousElementSibling.before(row);
      button.focus();
      return;
    }
    if (button.hasAttribute("data-remove-row")) {
      const rows = button.closest("[data-rows]");
      button.closest(".row").remove();
      rows.querySelector("[data-add-row]")?.focus();
      return;
    }
    const rows = button.closest("[data-rows]");
    const template = rows.querySelector("template");
    const row = template.content.cloneNode(true);
    const first = row.querySelector("input, select");
    template.before(row);
    first.focus();
  });

  // A question before what cannot be undone: <form data-confirm="…">. What is pressed twice is done once: a form that was
  // sent takes no second press until the next page, or until whoever stopped the first has waited a while.
  const STOPPED = 10_000;
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = form.dataset.confirm;
    if (form.ariaBusy === "true") {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (question && !confirm(question)) event.preventDefault();
    else if (form.getAttribute("method") === "post") {
      form.ariaBusy = "true";
      setTimeout(() => form.removeAttribute("aria-busy"), STOPPED);
    }
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[aria-busy]")) form.removeAttribute("aria-busy");
  });

  // A field shows one line of what is in it; on paper it stands whole.
  addEventListener("beforeprint", () => {
    for (const input of document.querySelectorAll(".main :is([type=text], [type=email], [type=tel])")) {
      if (!input.value || input.hidden) continue;
      const text = document.createElement("span");
      text.className = "printed";
      text.textContent = input.value;
      input.before(text);
    }
  });
  addEventListener("afterprint", () => {
    for (const text of document.querySelectorAll(".printed")) text.remove();
  });
})();
