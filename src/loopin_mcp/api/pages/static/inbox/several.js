"use strict";

// Selecting requests that are alike, to compare and decide them together.
{
  const form = document.getElementById("several");
  const list = document.getElementById("rows");
  const words = document.getElementById("chosen");
  const others = document.getElementById("choose-alike");
  const compare = document.getElementById("compare");
  const MOST = 50;

  const boxes = () => [...list.querySelectorAll(".pick input")];

  function alike() {
    const all = boxes();
    const kind = all.find((box) => box.checked)?.dataset.kind;
    return all.filter((box) => box.dataset.kind === kind);
  }

  /** Only requests that are alike can be selected, and at most so many. */
  function show() {
    const same = alike();
    const chosen = same.filter((box) => box.checked);
    const rest = Math.min(same.length, MOST) - chosen.length;
    for (const box of boxes()) {
      const isOther = chosen.length > 0 && !same.includes(box);
      box.disabled = isOther || (chosen.length >= MOST && !box.checked);
      box.title = isOther ? "Not like the selected ones" : "";
    }
    form.classList.toggle("chooses", chosen.length > 0);
    words.textContent = chosen.length ? `${chosen.length} selected` : "";
    others.hidden = rest < 1;
    others.textContent = rest === 1
      ? "Select 1 other like this" : `Select ${rest} others like this`;
    compare.textContent = chosen.length > 1 ? `Compare ${chosen.length}` : "Compare";
  }

  others.addEventListener("click", () => {
    for (const box of alike().slice(0, MOST)) box.checked = true;
    show();
    compare.focus();
  });

  form.addEventListener("change", show);
  form.addEventListener("reset", () => setTimeout(show));
  for (const change of ["inserted", "gone"]) list.addEventListener(change, show);
  form.addEventListener("submit", (event) => {
    if (loopin.pane.submit(form, event.submitter)) event.preventDefault();
  });
  // The browser may have restored what was selected.
  addEventListener("pageshow", show);
  show();

  loopin.keys({
    x: () => {
      const row = document.activeElement.closest("#rows > .row") ?? loopin.pane.current();
      const box = row?.querySelector(".pick input");
      if (!box || box.disabled) return false;
      box.checked = !box.checked;
      show();
      return true;
    },
  });
}
