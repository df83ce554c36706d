// Live mode (`crosstrain open`): asks the server how far the comparison is, shows it, and takes up new
// results by loading the page again; where the reader was, and what was chosen, stays.
(() => {
  "use strict";
  const KEPT = "crosstrain-live";
  const EVERY = 1500; // milliseconds between two questions
  const version = document.querySelector('meta[name="crosstrain-version"]')?.content;
  let failures = 0;
  let last = null;

  function bar() {
    let box = document.getElementById("live");
    if (box) return box;
    box = document.createElement("aside");
    box.id = "live";
    box.setAttribute("aria-label", "The running comparison");
    box.hidden = true;
    const style = box.style;
    style.cssText =
      "position:sticky;bottom:0;z-index:9;display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:center;" +
      "padding:.5rem 1rem;background:Canvas;color:CanvasText;border-top:1px solid GrayText;" +
      "font:inherit;overflow-wrap:anywhere";
    const words = document.createElement("span");
    const meter = document.createElement("progress");
    meter.style.cssText = "flex:1 1 8rem;min-width:0;accent-color:auto";
    meter.setAttribute("aria-label", "Cells that are finished");
    const left = document.createElement("span");
    // What is said aloud changes only when a cell ends.
    const spoken = document.createElement("span");
    spoken.setAttribute("role", "status");
    spoken.style.cssText = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)";
    box.append(words, meter, left, spoken);
    document.body.append(box);
    return box;
  }

  function clock(seconds) {
    const s = Math.round(seconds);
    if (s < 60) return `${s} s left`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s left`;
    return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min left`;
  }

  function show(state) {
    last = state;
    const box = bar();
    const [words, meter, left, spoken] = box.children;
    const run = state.running;
    if (!run) {
      box.hidden = true;
      return;
    }
    const at = run.cell || run.stage || "beginning";
    words.textContent = run.cells ? `${run.done} of ${run.cells} cells, at ${at}` : at;
    if (run.cells) {
      meter.max = run.cells;
      meter.value = run.done + (run.share || 0);
    } else {
      meter.removeAttribute("value");
    }
    left.textContent = run.left_seconds === null ? "" : clock(run.left_seconds);
    const news = run.cells ? `${run.done} of ${run.cells} cells are finished` : "";
    if (spoken.textContent !== news) spoken.textContent = news;
    box.hidden = false;
  }

  function lost() {
    const box = bar();
    box.hidden = false;
    box.children[0].textContent = "The server does not answer; the page shows what was known before.";
    box.children[1].removeAttribute("value");
    box.children[2].textContent = "";
  }

  const fields = () => [...document.querySelectorAll("select[id], input[id], textarea[id]")];

  function keep() {
    const kept = {
      state: last,
      x: scrollX,
      y: scrollY,
      theme: document.documentElement.dataset.theme || null,
      focus: document.activeElement && document.activeElement.id,
      fields: Object.fromEntries(
        fields().map((f) => [f.id, f.type === "checkbox" || f.type === "radio" ? f.checked : f.value]),
      ),
      open: Object.fromEntries([...document.querySelectorAll("details[id]")].map((d) => [d.id, d.open])),
    };
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  }

  function restore() {
    const text = sessionStorage.getItem(KEPT);
    if (!text) return;
    sessionStorage.removeItem(KEPT);
    const kept = JSON.parse(text);
    if (kept.state) show(kept.state); // the bar does not blink
    const root = document.documentElement;
    const shown = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    if (kept.theme && shown !== kept.theme) document.getElementById("theme")?.click();
    else if (kept.theme) root.dataset.theme = kept.theme;
    for (const field of fields()) {
      const before = kept.fields[field.id];
      const ticks = field.type === "checkbox" || field.type === "radio";
      if (before === undefined || before === (ticks ? field.checked : field.value)) continue;
      if (ticks) field.checked = before;
      else field.value = before;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
    for (const details of document.querySelectorAll("details[id]")) {
      if (details.id in kept.open) details.open = kept.open[details.id];
    }
    if (kept.focus) document.getElementById(kept.focus)?.focus({ preventScroll: true });
    settle(kept, 40);
  }

  // Charts give the page its height only once they are drawn.
  function settle(kept, tries) {
    scrollTo({ left: kept.x, top: kept.y, behavior: "instant" });
    const there = Math.abs(scrollY - kept.y) < 2 && document.documentElement.dataset.ready;
    if (!there && tries > 0) setTimeout(() => settle(kept, tries - 1), 50);
  }

  async function ask() {
    let state = null;
    try {
      const answer = await fetch("/state", { cache: "no-store" });
      state = answer.ok ? await answer.json() : null;
    } catch {
      state = null;
    }
    failures = state ? 0 : failures + 1;
    if (state) {
      show(state);
      if (state.version !== version) {
        keep();
        location.reload();
        return;
      }
    } else if (failures > 2) {
      lost();
    }
    setTimeout(ask, document.hidden ? 4 * EVERY : EVERY);
  }

  history.scrollRestoration = "manual";
  restore();
  ask();
})();
