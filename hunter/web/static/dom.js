// The only way text comes onto the page: textContent. Nothing here or elsewhere parses HTML.

const SVG = "http://www.w3.org/2000/svg";

export function byId(id) {
  return document.getElementById(id);
}

/** Changes nothing that is so already: then the browser has nothing to lay out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  const text = String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

export function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const COMMAND = /(\bhunter (?:deaths|doctor|logs|restart|start|status|stop)(?: (?!and\b)[\w-]+)?|kill -CONT \d+)/;

/** A sentence, with the commands in it set apart. */
export function sentence(tag, text) {
  const element = make(tag);
  for (const [place, part] of text.split(COMMAND).entries()) {
    if (part) element.append(place % 2 ? make("code", "", part) : part);
  }
  return element;
}

/** Rows kept by key and changed in place, so that a selection or a focus in them lives on. */
export class Table {
  /** `columns`: [heading, kind, textOf(item)]; kind "number" stands to the right. */
  constructor(table, columns) {
    this.columns = columns;
    this.rows = new Map();
    table.setAttribute("role", "table");
    const head = make("thead");
    const line = make("tr");
    head.setAttribute("role", "rowgroup");
    line.setAttribute("role", "row");
    for (const [heading, kind] of columns) {
      const cell = make("th", kind, heading);
      cell.scope = "col";
      cell.setAttribute("role", "columnheader");
      line.append(cell);
    }
    head.append(line);
    this.body = make("tbody");
    this.body.setAttribute("role", "rowgroup");
    table.append(head, this.body);
  }

  update(items, keyOf) {
    const seen = new Set();
    for (const [place, item] of items.entries()) {
      const key = keyOf(item);
      seen.add(key);
      let row = this.rows.get(key);
      if (!row) {
        row = this.#makeRow();
        this.rows.set(key, row);
      }
      if (this.body.children[place] !== row) this.body.insertBefore(row, this.body.children[place] ?? null);
      for (const [index, [, , textOf]] of this.columns.entries()) {
        const cell = row.children[index];
        const told = textOf(item);
        const [text, mood] = Array.isArray(told) ? told : [told, ""];
        setText(cell.lastChild, text);
        if (cell.lastChild.className !== mood) cell.lastChild.className = mood;
      }
    }
    for (const [key, row] of this.rows) {
      if (!seen.has(key)) {
        row.remove();
        this.rows.delete(key);
      }
    }
  }

  #makeRow() {
    const row = make("tr");
    row.setAttribute("role", "row");
    for (const [place, [heading, kind]] of this.columns.entries()) {
      const cell = make(place === 0 ? "th" : "td", kind);
      if (place === 0) cell.scope = "row";
      cell.setAttribute("role", place === 0 ? "rowheader" : "cell");
      cell.dataset.label = heading;
      cell.append(make("span"));
      row.append(cell);
    }
    return row;
  }
}
