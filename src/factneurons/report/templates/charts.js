"use strict";
(function () {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true,
    tooltip: { theme: dark ? "dark" : "light" },
  };
  const specifications = {};
  for (const element of document.querySelectorAll("script[type='application/json']")) {
    specifications[element.dataset.chart] = JSON.parse(element.textContent);
  }

  function draw(holder) {
    if (holder.dataset.drawn || !window.vegaEmbed) return;
    holder.dataset.drawn = "yes";
    const specification = specifications[holder.dataset.chart];
    // Charts in rows, which Vega-Lite does not fit to their holder; what is taken off is for the axis.
    if (!("width" in specification)) specification.width = holder.clientWidth - 60;
    window.vegaEmbed(holder, specification, options).then(function () {
      // To a screen reader one picture with a name, not a group for every mark: its numbers are in the table below it.
      holder.setAttribute("role", "img");
      for (const child of holder.children) child.setAttribute("aria-hidden", "true");
    }).catch(function (error) {
      holder.textContent = "This chart could not be drawn: " + error.message;
    });
  }

  function drawOpen() {
    for (const holder of document.querySelectorAll(".chart")) {
      if (!holder.closest("details:not([open])") && holder.getClientRects().length) draw(holder);
    }
  }

  function openTarget() {
    let around = document.getElementById(location.hash.slice(1));
    for (; around; around = around.parentElement) if (around.tagName === "DETAILS") around.open = true;
  }

  // What scrolls can be scrolled by keys: it takes the focus, and says what it is.
  function reachScrolled() {
    for (const box of document.querySelectorAll(".wide")) {
      if (box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight) continue;
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", "A table that scrolls");
    }
  }

  document.addEventListener("toggle", drawOpen, true);
  document.addEventListener("toggle", reachScrolled, true);
  document.addEventListener("shown", reachScrolled);
  window.addEventListener("resize", reachScrolled);
  document.addEventListener("shown", drawOpen);
  window.addEventListener("hashchange", openTarget);
  openTarget();
  drawOpen();
  reachScrolled();
})();
