// Building the page. Everything shown goes through text nodes: nothing that was received is ever markup.

export const $ = (id) => document.getElementById(id);

// element('p', {class: 'quiet', onclick: f}, 'text', node…)
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));  // Strings become text nodes.
  return node;
}

export function bytesText(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

export const number = (value) => value.toLocaleString('en');

export function timeText(iso) {
  const at = new Date(iso);
  const two = (value) => String(value).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

// Only for class names: letters of a known method, or nothing.
export function methodNode(method) {
  const known = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(method);
  return element('span', {class: known ? `method ${method.toLowerCase()}` : 'method'}, method);
}

let toastTimer;
export function toast(message) {
  const node = $('toast');
  node.textContent = message;
  node.classList.add('shown');
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => node.classList.remove('shown'), 2200);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast('The browser does not allow copying');
  }
}

// The JSON of an answer. Throws with the message of the API.
export async function api(path, method = 'GET') {
  const response = await fetch(path, {method, headers: {'X-Requested-With': 'apk-inspector'}});
  if (response.status === 204) return null;
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), {status: response.status});
  return answer;
}
