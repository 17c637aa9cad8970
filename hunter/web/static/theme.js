// Which of light and dark, before anything is drawn: loaded in the head, without waiting.
"use strict";
(() => {
  const KEY = "hunter-theme";
  const CHOICES = ["system", "light", "dark"];

  function kept() {
    try {
      const found = localStorage.getItem(KEY);
      return CHOICES.includes(found) ? found : "system";
    } catch {
      return "system"; // a browser that keeps nothing
    }
  }

  function apply(choice) {
    document.documentElement.dataset.theme = choice;
  }

  apply(kept());
  window.hunterTheme = {
    current: kept,
    next() {
      const choice = CHOICES[(CHOICES.indexOf(document.documentElement.dataset.theme) + 1) % 3];
      try {
        localStorage.setItem(KEY, choice);
      } catch {
        // then it lasts as long as the page
      }
      apply(choice);
      return choice;
    },
  };
})();
