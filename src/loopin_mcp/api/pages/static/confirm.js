"use strict";

// The question before a decision by a key: it shows the whole request, and approves what was read.
{
  const list = document.getElementById("rows");
  const question = document.getElementById("confirm");
  const whole = document.getElementById("confirm-whole");
  const note = document.getElementById("confirm-note");
  const reason = document.getElementById("confirm-reason");
  const yes = document.getElementById("confirm-yes");
  const HIDDEN = /(?![\n\t])[\p{C}\p{Zl}\p{Zp}]/gu;
  // Browsers round the position of a part that is scrolled.
  const ROUNDING_PX = 2;
  let asked = null;

  function ask(row, decision) {
    const form = row.querySelector("form");
    if (row.matches(".gone, [aria-busy]")) return;
    // A request that is too long for the list has no form here.
    if (!form) return row.querySelector(".more a").click();
    asked = { row, form, decision, isRead: decision === "rejected" };
    row.dataset.asked = "yes";
    fill(row, form, decision === "approved" ? "Approve" : "Reject");
    question.returnValue = "no";
    question.showModal();
    whole.scrollTop = 0;
    note.hidden = isAtEnd();
    note.textContent = note.hidden ? "" : `Scroll to the end of these ${lines()} lines to approve.`;
    look();
    (asked.isRead ? reason : whole).focus();
  }

  function fill(row, form, verb) {
    document.getElementById("confirm-heading").textContent = `${verb} this request?`;
    [yes.textContent, yes.className] = [verb, verb.toLowerCase()];
    copy(row.querySelector(".action"), "confirm-action");
    copy(row.querySelector(".who"), "confirm-who");
    copy(row.querySelector(".context"), "confirm-context");
    const values = form.elements.modifiedParams.value.trim();
    const modified = document.getElementById("confirm-modified");
    modified.hidden = !values;
    modified.querySelector("code").textContent = values.replace(HIDDEN, coded);
    reason.value = form.elements.reason.value;
  }

  function copy(source, target) {
    document.getElementById(target).replaceChildren(...source.cloneNode(true).childNodes);
  }

  const coded = (character) =>
    `[U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;

  const isAtEnd = () =>
    whole.scrollHeight - whole.clientHeight - whole.scrollTop <= ROUNDING_PX;

  const lines = () => Math.ceil(whole.scrollHeight / parseFloat(getComputedStyle(whole).lineHeight));

  /** Enable the answer once the end of the request has been in view. */
  function look() {
    if (!asked) return;
    if (isAtEnd() && !asked.isRead) {
      asked.isRead = true;
      if (!note.hidden) note.textContent = "You have scrolled to the end.";
    }
    yes.disabled = !asked.isRead;
  }

  list.addEventListener("ask", (event) => ask(event.target, event.detail));
  list.addEventListener("settled", (event) => {
    if (event.target === asked?.row) question.close("no");
  });
  whole.addEventListener("scroll", look);
  window.addEventListener("resize", look);

  reason.addEventListener("keydown", (event) => {
    const confirms = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    if (confirms && !yes.disabled) question.close("yes");
  });

  question.addEventListener("close", () => {
    const { row, form, decision } = asked;
    asked = null;
    delete row.dataset.asked;
    form.elements.reason.value = reason.value;
    // The second click of a double click falls on the page behind the question.
    loopin.hold();
    if (question.returnValue !== "yes") return;
    form.dispatchEvent(new CustomEvent("decide", { bubbles: true, detail: decision }));
  });
}
