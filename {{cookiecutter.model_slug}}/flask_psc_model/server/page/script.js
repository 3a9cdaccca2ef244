"use strict";

// how often the status is polled, and how much of a text is shown
const STATUS_MILLISECONDS = 5000;
const SHOWN_CHARACTERS = 100000;

const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// --- status ---

async function pollStatus() {
  if (!document.hidden) {
    const timer = setTimeout(showStatus, 1000, "waiting", "the model is loading …");
    try {
      const response = await fetch("status", { cache: "no-store" });
      const body = await response.json();
      showStatus(response.ok ? "ready" : "broken", body.message);
    } catch {
      showStatus("broken", "the server does not respond");
    } finally {
      clearTimeout(timer);
    }
  }
  setTimeout(pollStatus, STATUS_MILLISECONDS);
}

function showStatus(state, words) {
  const status = find("#status");
  if (status.dataset.state !== state || status.lastElementChild.textContent !== words) {
    status.dataset.state = state;
    status.lastElementChild.textContent = words;
  }
}

// --- input files ---

function findProblem(input) {
  const file = input.files[0];
  const { maxBytes, maxSize, mediaTypes } = input.dataset;
  if (!file) {
    return `Choose a file for ${input.name}.`;
  }
  if (maxBytes && file.size > Number(maxBytes)) {
    return `${file.name} has ${formatSize(file.size)}; the limit for ${input.name} is ${maxSize}.`;
  }
  const allowed = mediaTypes.split(" ").filter(Boolean);
  if (file.type && allowed.length && !allowed.some((each) => isKindOf(file.type, each))) {
    return `${file.name} is ${file.type}; ${input.name} should be ${allowed.join(" or ")}.`;
  }
  return "";
}

// browsers guess the type of a text from its extension only
function isKindOf(type, allowed) {
  const [kind] = allowed.split("/");
  return type === allowed || allowed === "*/*"
    || type.startsWith(kind + "/") && (allowed === kind + "/*" || kind === "text");
}

function check(input) {
  const problem = findProblem(input);
  input.setAttribute("aria-invalid", String(Boolean(problem)));
  input.closest(".drop").querySelector(".problem").textContent = problem;
  return !problem;
}

function acceptDrops(zone) {
  const input = zone.querySelector("input");
  zone.addEventListener("dragover", () => zone.classList.add("over"));
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) {
      const one = new DataTransfer();
      one.items.add(event.dataTransfer.files[0]);
      input.files = one.files;
      check(input);
    }
  });
  input.addEventListener("change", () => check(input));
}

// --- running a job ---

// sends a form; `inputs` are the files to show, `paths` those of each input for curl
async function run(form, inputs, paths) {
  const buttons = findAll("button");
  buttons.forEach((button) => { button.disabled = true; });
  begin("Running …");
  const started = performance.now();
  try {
    const response = await fetch("page/run", { method: "POST", body: form });
    const parts = response.ok ? await response.formData() : null;
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    if (parts) {
      begin(`Done in ${seconds} s`);
      showBatch(parts.get("batch-jobs"), parts.get("batch-seconds"));
      showFiles("Inputs", inputs.concat(parts.getAll("input")));
      showFiles("Outputs", parts.getAll("output"));
      showOmitted(parts.getAll("omitted"));
    } else {
      const body = await response.json();
      fail(`${body.statusCode} ${body.status}, after ${seconds} s`, body.message);
    }
  } catch (error) {
    fail("No response", `The response did not arrive completely: ${error.message}`);
  }
  showCommand(paths);
  buttons.forEach((button) => { button.disabled = false; });
  find("#result").focus();
}

let urls = [];

function begin(words) {
  urls.forEach((url) => URL.revokeObjectURL(url));
  urls = [];
  find("#files").replaceChildren();
  find("#message").textContent = "";
  find("#outcome").textContent = words;
  find("#result").classList.remove("failed");
  find("#result").hidden = false;
}

function fail(words, message) {
  find("#outcome").textContent = words;
  find("#message").textContent = message;
  find("#result").classList.add("failed");
}

// --- shown files ---

function showFiles(title, files) {
  if (files.length) {
    find("#files").append(make("h4", { textContent: title }), ...files.map(show));
  }
}

function showOmitted(names) {
  if (names.length) {
    const words = `${names.length} more files were written; this page does not show them.`;
    find("#files").append(make("p", { className: "quiet", textContent: words }));
  }
}

function showBatch(jobs, seconds) {
  if (jobs) {
    const words = `Computed in a batch of ${jobs} job${jobs === "1" ? "" : "s"}, which took ${seconds} s.`;
    find("#files").append(make("p", { className: "quiet batch", textContent: words }));
  }
}

function show(file) {
  const url = URL.createObjectURL(file);
  urls.push(url);
  const caption = make("figcaption", {},
    make("span", {}, make("strong", { textContent: file.name }),
      make("span", { className: "quiet", textContent: ` ${file.type}, ${formatSize(file.size)}` })),
    make("a", { className: "download", href: url, download: file.name, textContent: "Download" }));
  const figure = make("figure", {}, caption);
  const type = file.type.split(";")[0];
  if (type.startsWith("image/")) {
    figure.append(make("img", { src: url, alt: `The image ${file.name}` }));
  } else if (type.startsWith("audio/")) {
    figure.append(make("audio", { src: url, controls: true }));
  } else if (type === "application/json" || type.endsWith("+json")) {
    showText(figure, file, indentJson);
  } else if (type.startsWith("text/")) {
    showText(figure, file, (text) => text);
  }
  return figure;
}

async function showText(figure, file, write) {
  const pre = make("pre", { tabIndex: 0 });
  figure.append(pre);
  const text = write(await file.text());
  pre.textContent = text.slice(0, SHOWN_CHARACTERS);
  if (text.length > SHOWN_CHARACTERS) {
    const words = "This is only the beginning: download the file for the rest.";
    figure.append(make("p", { className: "quiet", textContent: words }));
  }
}

// indents JSON without parsing it, which would rewrite its numbers
function indentJson(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  const startLine = () => "\n" + "  ".repeat(depth);
  const tokens = /"(?:\\.|[^"\\])*"|[[{]\s*[}\]]|[[\]{},:]|\s+/g;
  return text.replace(tokens, (token) => {
    if ("[{".includes(token)) {
      depth += 1;
      return token + startLine();
    }
    if ("]}".includes(token)) {
      depth -= 1;
      return startLine() + token;
    }
    if (token === ",") {
      return token + startLine();
    }
    return token === ":" ? ": " : token.trim();
  });
}

function formatSize(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let size = bytes;
  while (size >= 1024 && units.length > 1) {
    size /= 1024;
    units.shift();
  }
  return `${Number(size.toFixed(1))} ${units[0]}`;
}

// --- the same job in a terminal ---

function writeCommand(paths) {
  const folders = Object.keys(paths).map((name) => quote(`data/${name}`.replace(/\/[^/]*$/, "")));
  const copies = Object.entries(paths).map(
    ([name, path]) => `cp ${quote(path)} ${quote("data/" + name)}`);
  const job = '"{\\"type\\":\\"file\\",\\"input\\":\\"$PWD/data\\",\\"output\\":\\"$PWD/data\\"}"';
  return [
    `mkdir -p ${[...new Set(["data", ...folders])].join(" ")}`,
    ...copies,
    'curl -s -X POST -H "Content-Type: application/json" \\',
    `    --data ${job} \\`,
    `    ${quote(new URL("run", location.href).href)}`,
  ].join("\n") + "\n";
}

function quote(word) {
  const safe = word.replace(/^-/, "./-");
  return /^[\w./:@%+,-]+$/.test(safe) ? safe : `'${safe.split("'").join("'\\''")}'`;
}

function showCommand(paths) {
  const text = writeCommand(paths);
  const pre = make("pre", { tabIndex: 0, textContent: text });
  const words = "The paths are the server's: in a container, those of the container.";
  const note = make("p", { className: "quiet", textContent: words });
  const button = make("button", { type: "button", textContent: "Copy as curl" });
  button.addEventListener("click", async () => {
    button.after(pre, note);
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // a page without https has no clipboard, except on this machine
      getSelection().selectAllChildren(pre);
    }
  });
  find("#files").append(make("div", { className: "curl" }, button));
}

// --- setup ---

findAll("[data-case]").forEach((button) => {
  button.addEventListener("click", () => {
    const form = new FormData();
    form.append("case", button.dataset.case);
    run(form, [], JSON.parse(button.dataset.files));
  });
});

findAll(".drop").forEach(acceptDrops);

// a file dropped elsewhere must not replace the page
["dragover", "drop"].forEach((name) => {
  window.addEventListener(name, (event) => event.preventDefault());
});

const own = find("#own");
if (own) {
  own.addEventListener("submit", (event) => {
    event.preventDefault();
    const inputs = findAll("#own input");
    const wrong = inputs.filter((input) => !check(input));
    if (wrong.length) {
      wrong[0].focus();
    } else {
      const paths = inputs.map((input) => [input.name, input.files[0].name]);
      run(new FormData(own), inputs.map((input) => input.files[0]), Object.fromEntries(paths));
    }
  });
}

pollStatus();
