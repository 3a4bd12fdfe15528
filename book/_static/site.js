// Small repairs that every page of the book needs. Jupyter Book loads this file on each page.

// MathJax 3 reads its settings from here. The widgets' scripts still speak to MathJax 2 (MathJax.Hub.Queue):
// they are answered by the function that MathJax 3 has for it.
window.MathJax = {
  options: {
    enableMenu: false, // a menu would put every formula into the order of the Tab key
    processHtmlClass: "tex2jax_process|mathjax_process|math|output_area",
  },
  Hub: { Queue() {} },
  startup: {
    ready() {
      MathJax.startup.defaultReady();
      MathJax.startup.promise.then(makeScrollable);
      MathJax.Hub = { Queue: ([, , element]) => MathJax.typesetPromise([element]) };
    },
  },
};

// Opened from a folder, a page may not read another page's text: search then shows titles only.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// ipywidgets gives a slider's handle and its number no name that a screen reader could say.
function nameSliders() {
  for (const slider of document.querySelectorAll(".widget-slider")) {
    const name = slider.querySelector(".widget-label")?.textContent || "value";
    for (const handle of slider.querySelectorAll("[role=slider]")) {
      handle.setAttribute("aria-label", name);
      const shown = slider.querySelector(".widget-readout")?.textContent;
      if (shown) handle.setAttribute("aria-valuetext", shown);
    }
    const readout = slider.querySelector(".widget-readout");
    if (readout) {
      readout.setAttribute("aria-label", `${name}, as a number`);
      readout.setAttribute("role", "textbox");
    }
  }
  for (const label of document.querySelectorAll('.jupyter-widgets [title="null"]')) {
    label.removeAttribute("title");
  }
}

// What scrolls sideways must be reachable by keyboard.
function makeScrollable() {
  const boxes = "pre, div.math, mjx-container, table, .cell_output, .output, .pst-scrollable-table-container";
  for (const box of document.querySelectorAll(boxes)) {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
    if (scrolls && box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}

// A name such as quant_min may break after its underscores, where a table is narrow.
function breakNames() {
  for (const name of document.querySelectorAll("table code .pre")) {
    name.innerHTML = name.innerHTML.replaceAll("_", "_<wbr>");
  }
}

window.addEventListener("load", () => {
  breakNames();
  makeScrollable();
  window.addEventListener("resize", makeScrollable);
  if (!document.querySelector('script[type="application/vnd.jupyter.widget-view+json"]')) return;
  nameSliders();
  new MutationObserver(nameSliders).observe(document.querySelector("article"), {
    childList: true,
    characterData: true,
    subtree: true,
  });
});
