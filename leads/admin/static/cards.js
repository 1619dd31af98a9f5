// Lists and cards: a chosen filter is applied at once; one box ticks all; contact persons are added and removed without asking the server.
"use strict";

(() => {
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
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
