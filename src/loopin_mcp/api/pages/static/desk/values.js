"use strict";

// A button beside each value of a request, which copies the value as the agent sent it.
{
  const SHOWN_MS = 2_000;
  // Screen readers announce what is written here.
  const status = document.createElement("p");
  status.className = "visually-hidden";
  status.role = "status";

  document.addEventListener("desk", ({ detail: desk }) => {
    document.body.append(status);
    for (const cell of desk.querySelectorAll(".values > tbody > tr > td")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      const name = cell.previousElementSibling.querySelector(".key").textContent;
      button.setAttribute("aria-label", `Copy ${name}`);
      button.title = "Copy";
      cell.append(button);
    }
  });

  document.addEventListener("click", async (clicked) => {
    const button = clicked.target.closest?.(".values .copy");
    if (!button) return;
    status.textContent = "";
    const isCopied = await copy(valueOf(button.parentElement));
    status.textContent = isCopied ? "Copied" : "Your browser does not allow copying";
    button.classList.toggle("copied", isCopied);
    setTimeout(() => button.classList.remove("copied"), SHOWN_MS);
  });

  /** The value of a cell: in its template, unless that is the text of the cell. */
  function valueOf(cell) {
    const template = cell.querySelector(":scope > template");
    return template ? JSON.parse(template.content.textContent) : cell.textContent;
  }

  /** Browsers have no `clipboard` on pages that came without TLS from another machine. */
  async function copy(text) {
    if (navigator.clipboard) {
      return navigator.clipboard.writeText(text).then(() => true, () => false);
    }
    const field = document.createElement("textarea");
    const focused = document.activeElement;
    field.value = text;
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return isCopied;
  }
}
