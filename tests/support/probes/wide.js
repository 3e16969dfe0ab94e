// What reaches beyond the right edge and cannot be scrolled to.
() => [...document.querySelectorAll("main *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, .visually-hidden"))
  .map((one) => one.outerHTML.slice(0, 80))
