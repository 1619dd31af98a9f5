// What was typed is not lost where it was not taken: the session had ended, the server was away, something was wrong with
// it. It waits in this tab until its user is back at the form; what was taken is forgotten by the next page. Nor is what
// stands in another form of the page that was left with this one: a note that is kept takes no half-typed card with it.
"use strict";

(() => {
  const KEY = "leadline_unsent";
  const BESIDE = "leadline_beside";
  const LONGEST = 3_600_000; // milliseconds
  const { viewer, unsent, restored } = document.body.dataset;
  const TYPED = "input:not([type=hidden], [type=password], [type=file]), select, textarea, [name$=version], [name=person_id]";

  const fieldsOf = (form) => [...form.elements].filter((field) => field.name && field.matches(TYPED));
  const ticks = (field) => field.type === "checkbox" || field.type === "radio";
  const target = (form) => new URL(form.getAttribute("action") ?? location.href, location.href).pathname;

  const forms = () => [...document.querySelectorAll("main form[method=post]")];

  function contentOf(form) {
    const fields = fieldsOf(form).filter((field) => !ticks(field) || field.checked).map((field) => [field.name, field.value]);
    return { action: target(form), fields, ticked: fieldsOf(form).filter(ticks).map((field) => field.name) };
  }

  const asSaved = new Map(); // what each form held when the page came; nothing for one that came back unsaved

  function isTyped(form) {
    return asSaved.has(form) && asSaved.get(form) !== JSON.stringify(contentOf(form));
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !viewer || form.getAttribute("method") !== "post" || !form.closest("main")) return;
    const of = { viewer, back: location.pathname + location.search, at: Date.now() };
    const beside = forms().filter((one) => one !== form && isTyped(one)).map(contentOf);
    if (beside.length) sessionStorage.setItem(BESIDE, JSON.stringify({ ...of, forms: beside }));
    if (fieldsOf(form).every((field) => field.type === "hidden")) return;
    sessionStorage.setItem(KEY, JSON.stringify({ ...of, ...contentOf(form) }));
  });

  function cameBack(kept) {
    const [{ type }] = performance.getEntriesByType("navigation");
    const before = document.referrer && new URL(document.referrer);
    return type !== "navigate" || kept.wanted || (before && before.pathname === "/sign-in");
  }

  // Rows are added and removed as their user did it, by the buttons that do.
  function putBack(form, name, values) {
    const present = () => fieldsOf(form).filter((field) => field.name === name);
    const rows = [...form.querySelectorAll("[data-rows], [data-persons]")].find((some) => some.querySelector("template").content.querySelector(`[name=${name}]`));
    const add = rows?.querySelector("[data-add-row], [data-add-person]");
    for (let count = present().length; add && count < values.length; count += 1) add.click();
    for (const field of present().slice(values.length)) field.closest(".row, .person")?.querySelector("[data-remove-row], [data-remove-person]")?.click();
    present().forEach((field, place) => { field.value = values[place] ?? ""; });
  }

  function restore({ action, fields, ticked }) {
    const form = forms().find((one) => target(one) === action);
    if (!form) return null;
    const values = (name) => fields.filter(([other]) => other === name).map(([, value]) => value);
    for (const field of fieldsOf(form).filter(ticks)) {
      if (ticked.includes(field.name)) field.checked = values(field.name).includes(field.value);
    }
    for (const name of new Set(fields.map(([name]) => name))) if (!ticked.includes(name)) putBack(form, name, values(name));
    for (const folded of [form.closest("details"), ...form.querySelectorAll("details")]) if (folded) folded.open = true;
    const said = document.createElement("p");
    said.className = "notice notice-warn";
    said.setAttribute("role", "status");
    said.textContent = restored;
    form.prepend(said);
    return said;
  }

  function restoreBeside() {
    const kept = JSON.parse(sessionStorage.getItem(BESIDE) ?? "null");
    if (!kept) return;
    if (viewer && (kept.viewer !== viewer || Date.now() - kept.at >= LONGEST)) sessionStorage.removeItem(BESIDE);
    else if (viewer && new URL(kept.back, location.href).pathname === location.pathname) {
      // Where none of them is there now, as on a page of a mistake, they wait on.
      if (kept.forms.map(restore).some(Boolean)) sessionStorage.removeItem(BESIDE);
    }
  }

  function begin() {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    for (const form of forms()) asSaved.set(form, unsent !== undefined && target(form) === kept?.action ? "" : JSON.stringify(contentOf(form)));
    restoreBeside();
    if (!kept) return;
    if (unsent === undefined) {
      const { wanted, ...still } = kept;
      if (cameBack(kept) && kept.viewer === viewer && Date.now() - kept.at < LONGEST) {
        // Whoever goes on to and fro between his pages finds it each time.
        sessionStorage.setItem(KEY, JSON.stringify(still));
        restore(still)?.scrollIntoView({ block: "center" });
      } else sessionStorage.removeItem(KEY);
      return;
    }
    // The browser asks a form's address for a page only with the form; whoever comes to this one again gets its form.
    if (kept.viewer === viewer && kept.action === location.pathname) history.replaceState(null, "", kept.back);
    const next = document.querySelector("form[action='/sign-in'] [name=next]");
    if (next && !next.value) next.value = kept.back;
    const link = document.querySelector("[data-back-to-typed]");
    if (link && kept.viewer === viewer) {
      link.href = kept.back;
      link.addEventListener("click", () => sessionStorage.setItem(KEY, JSON.stringify({ ...kept, wanted: true })));
      link.hidden = false;
      link.nextElementSibling.classList.remove("button-primary");
    }
  }

  addEventListener("DOMContentLoaded", begin); // other scripts add rows
})();
