/** Films from the disk, the clipboard or dropped anywhere on the page. */

import { byId } from "./dom.js";

/** @param take called with the files, at least one. */
export function listenForFiles(take) {
  const offer = (files) => files.length > 0 && take(files);
  const target = document.documentElement;
  byId("file").addEventListener("change", (event) => {
    offer([...event.target.files]);
    event.target.value = ""; // the same file may be chosen again
  });
  document.addEventListener("paste", (event) => offer([...event.clipboardData.files]));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    target.addEventListener(kind, (event) => {
      event.preventDefault(); // or the browser leaves the page to show the file
      byId("stage").classList.toggle("over", kind === "dragover");
      if (kind === "drop") offer([...event.dataTransfer.files]);
    });
  }
}
