// A page about a long work that goes on: looks again every two seconds without taking the keyboard's place away, and shows the whole page anew when it is over.
"use strict";

(() => {
  const PAUSE = 2000;
  const shown = () => document.querySelector("[data-progress]");
  if (!shown()) return;

  const look = async () => {
    try {
      const answer = await fetch(location.href);
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("[data-progress]");
        if (!fresh) return location.reload();
        shown().replaceWith(fresh);
      }
    } catch {
      // The server starts anew; it goes on by itself.
    }
    setTimeout(look, PAUSE);
  };
  setTimeout(look, PAUSE);
})();
