// One request in full.
import {bytesText, copy, element, methodNode, number} from './dom.js';

const HEX_ROW = 16;

function pairs(title, rows) {
  const table = element('table', {class: 'pairs'}, ...rows.map((row) => element('tr', {},
    element('th', {scope: 'row'}, row.name),
    element('td', {}, row.value,
      row.masked ? element('span', {class: 'badge', title: 'Taken out when it was captured'}, 'masked')
                 : null))));
  return element('section', {class: 'block'},
    element('header', {}, element('h2', {}, title), element('span', {class: 'quiet'}, number(rows.length))),
    table);
}

function bodyBytes(body) {
  if (body.base64 === undefined) return new TextEncoder().encode(body.text);
  return Uint8Array.from(atob(body.base64), (char) => char.charCodeAt(0));
}

function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += HEX_ROW) {
    const row = [...bytes.slice(at, at + HEX_ROW)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(HEX_ROW * 3 - 1);
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex}  ${text}`);
  }
  return lines.join('\n');
}

// Pretty where it can be without changing a number: what JSON.parse would round stays as received.
function prettyJson(text) {
  try {
    const value = JSON.parse(text);
    if (typeof value !== 'object' || /\d{16,}/.test(text)) return null;
    return JSON.stringify(value, null, 2);
  } catch {
    return null;
  }
}

function bodyViews(request) {
  const {body} = request;
  const views = [];
  if (body.text !== undefined) {
    const pretty = body.truncated ? null : prettyJson(body.text);
    if (pretty !== null) views.push({name: 'JSON', text: () => pretty});
    views.push({name: 'Text', text: () => body.text});
  }
  views.push({name: 'Hex', text: () => hexDump(bodyBytes(body)), hex: true});
  return views;
}

function bodyBlock(request, address) {
  const {body} = request;
  if (body.bytes === 0) return null;
  const content = element('pre', {class: 'body', tabindex: '0'});
  const tabs = element('div', {class: 'tabs', role: 'group', 'aria-label': 'Show the body as'});
  const show = (view) => {
    content.textContent = view.text();
    content.classList.toggle('hex', Boolean(view.hex));
    for (const tab of tabs.children) tab.setAttribute('aria-pressed', tab.textContent === view.name);
  };
  const views = bodyViews(request);
  for (const view of views) {
    tabs.append(element('button', {type: 'button', onclick: () => show(view)}, view.name));
  }
  show(views[0]);
  const size = body.truncated ? `cut at ${bytesText(body.storedBytes)} of ${bytesText(body.bytes)}`
                              : bytesText(body.bytes);
  return element('section', {class: 'block'},
    element('header', {}, element('h2', {}, 'Body'),
      element('span', {class: body.truncated ? 'badge' : 'quiet'}, size), tabs,
      element('a', {class: 'button', href: `${address}/body`, download: ''}, 'Download')),
    content);
}

function formFields(request) {
  const isForm = request.contentType.toLowerCase().startsWith('application/x-www-form-urlencoded');
  if (!isForm || !request.body.text) return null;
  const fields = [...new URLSearchParams(request.body.text)].map(([name, value]) => ({name, value}));
  return fields.length > 0 ? pairs('Form', fields) : null;
}

// address: of the request in the API. actions: {previous, next, remove}.
export function detailNodes(request, address, actions) {
  const curl = request.curl === undefined
    ? element('button', {type: 'button', disabled: true, title: `Not possible: ${request.curlRefused}`},
        'Copy as curl')
    : element('button', {type: 'button', id: 'copy-curl', title: 'Copy as curl (C)',
        onclick: () => copy(request.curl, 'Command')}, 'Copy as curl');
  const received = new Date(request.receivedAt);
  return [
    element('div', {class: 'request-line'}, methodNode(request.method),
      element('span', {class: 'target'}, request.path + (request.query ? `?${request.query}` : ''))),
    element('p', {class: 'facts'}, `#${request.id} · ${received.toLocaleString()} · from ${request.source} · ` +
      `${request.scheme} · HTTP/${request.httpVersion} · ${bytesText(request.bodyBytes)}`),
    element('div', {class: 'actions'},
      element('button', {type: 'button', title: 'Newer (K or ↑)', onclick: actions.previous}, '↑ Newer'),
      element('button', {type: 'button', title: 'Older (J or ↓)', onclick: actions.next}, '↓ Older'),
      curl,
      element('button', {type: 'button', onclick: () => copy(location.href, 'Link')}, 'Copy link'),
      element('button', {type: 'button', title: 'Delete (Del)', onclick: actions.remove}, 'Delete')),
    pairs('Headers', request.headers),
    request.queryParameters.length > 0 ? pairs('Query', request.queryParameters) : null,
    formFields(request),
    bodyBlock(request, address),
  ].filter((node) => node !== null);
}
