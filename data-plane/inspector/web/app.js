// The two pages: all bins at /, one bin at /bins/<token>, one of its requests at #<id>.
import {$, api, bytesText, copy, element, methodNode, number, timeText, toast} from './dom.js';
import {detailNodes} from './detail.js';

const LISTED_MAX = 500;

// ---- All bins ----

function binItem(bin) {
  const last = bin.lastReceivedAt ? `, last at ${timeText(bin.lastReceivedAt)}` : '';
  return element('li', {}, element('a', {href: `/bins/${bin.token}`},
    element('span', {class: 'name'}, bin.token),
    element('span', {class: 'quiet'}, `${number(bin.received)} received${last}`),
    element('span', {class: 'url mono'}, bin.urls.join('  '))));
}

async function showHome() {
  $('home').hidden = false;
  $('create').addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      const bin = await api(`/api/bins?token=${encodeURIComponent($('token').value.trim())}`, 'POST');
      location.href = `/bins/${bin.token}`;
    } catch (error) {
      $('create-error').textContent = error.message;
    }
  });
  const {bins} = await api('/api/bins');
  $('bins').replaceChildren(...bins.map(binItem));
}

// ---- One bin ----

class BinPage {
  constructor(token) {
    this.token = token;
    this.address = `/api/bins/${token}`;
    this.rows = [];        // Summaries, newest first, that pass the filter.
    this.pending = [];     // Arrived, not shown yet.
    this.selected = null;  // An id.
    this.paused = false;
    this.bin = null;
    this.loads = 0;
  }

  async start() {
    $('bin').hidden = false;
    $('live').hidden = false;
    $('crumb').textContent = this.token;
    document.title = `${this.token} · Inspector`;
    this.bindControls();
    try {
      await this.load();
    } catch (error) {
      if (error.status !== 404) throw error;
      this.showMissing();
      return;
    }
    this.listen();
    this.openFromLink();
  }

  async load() {
    const filter = $('filter').value.trim();
    const turn = ++this.loads;
    const path = `${this.address}/requests?limit=${LISTED_MAX}&filter=${encodeURIComponent(filter)}`;
    try {
      const answer = await api(path);
      if (turn !== this.loads) return;  // A newer filter was typed meanwhile.
      $('filter-error').textContent = '';
      this.bin = answer.bin;
      this.rows = answer.requests;
      this.render();
      if (this.selected === null) this.showEmpty();
    } catch (error) {
      if (error.status !== 400) throw error;
      $('filter-error').textContent = error.message;
    }
  }

  listen() {
    const events = new EventSource(`${this.address}/events?since=${this.bin.received}`);
    events.onopen = () => this.showState();
    events.onerror = () => this.showState('reconnecting…');
    events.addEventListener('request', (event) => this.arrive(JSON.parse(event.data)));
    events.addEventListener('counters', (event) => {
      this.bin = JSON.parse(event.data);
      this.renderCounters();
    });
    events.addEventListener('reset', () => { if (!this.paused) this.load(); });
    events.addEventListener('removed', () => { events.close(); this.showMissing(); });
  }

  // Rows wait for the next frame: at any rate of arrival the page draws once a frame.
  arrive(request) {
    this.pending.push(request);
    if (this.pending.length > LISTED_MAX) this.pending.shift();
    if (this.paused) this.showState();
    else if (this.pending.length === 1) requestAnimationFrame(() => this.flush());
  }

  flush() {
    if (this.paused || this.pending.length === 0) return;
    const fresh = this.pending.splice(0);
    if ($('filter').value.trim() !== '') {
      this.load();  // The filter is the server's: one meaning for the page and the API.
      return;
    }
    const list = $('list');
    const known = this.rows.length > 0 ? this.rows[0].id : 0;
    for (const request of fresh.filter((one) => one.id > known)) {
      this.rows.unshift(request);
      list.prepend(this.row(request, true));
    }
    this.rows.length = Math.min(this.rows.length, LISTED_MAX);
    while (list.children.length > LISTED_MAX) list.lastChild.remove();
    this.renderCounters();
    if (this.selected === null) this.showEmpty();
  }

  row(request, fresh = false) {
    const chosen = request.id === this.selected;
    const type = request.contentType ? ` · ${request.contentType.split(';')[0]}` : '';
    return element('li', {role: 'option', id: `row-${request.id}`, 'aria-selected': String(chosen),
      class: fresh ? 'fresh' : null, onclick: () => this.open(request.id)},
      methodNode(request.method),
      element('span', {class: 'path', title: request.path},
        request.path + (request.query ? `?${request.query}` : '')),
      element('time', {class: 'time', datetime: request.receivedAt}, timeText(request.receivedAt)),
      element('span'),
      element('span', {class: 'more'}, `${request.source} · ${bytesText(request.bodyBytes)}${type}`));
  }

  render() {
    $('list').replaceChildren(...this.rows.map((request) => this.row(request)));
    this.renderCounters();
  }

  renderCounters() {
    const {received, kept, evicted, bytes} = this.bin;
    $('counters').textContent = `shown ${number(this.rows.length)} of ${number(received)} received · ` +
      `${number(kept)} kept (${bytesText(bytes)}) · ${number(evicted)} evicted`;
    this.showState();
  }

  showState(problem) {
    const live = $('live');
    live.className = `live ${problem ? '' : this.paused ? 'paused' : 'on'}`;
    live.textContent = problem ?? (this.paused ? `paused, ${number(this.pending.length)} waiting` : 'live');
  }

  async open(id) {
    this.selected = id;
    delete $('detail').dataset.empty;
    history.replaceState(null, '', `#${id}`);
    for (const row of $('list').children) row.setAttribute('aria-selected', String(row.id === `row-${id}`));
    $('list').setAttribute('aria-activedescendant', `row-${id}`);
    document.getElementById(`row-${id}`)?.scrollIntoView({block: 'nearest'});
    const address = `${this.address}/requests/${id}`;
    try {
      const request = await api(address);
      if (this.selected !== id) return;
      $('detail').replaceChildren(...detailNodes(request, address, {
        previous: () => this.move(-1), next: () => this.move(1), remove: () => this.remove(id)}));
      $('detail').scrollTop = 0;
    } catch (error) {
      if (this.selected !== id) return;
      $('detail').replaceChildren(element('div', {class: 'empty'}, element('h2', {}, `Request #${id}`),
        element('p', {}, error.message)));
    }
  }

  openFromLink() {
    const id = Number(location.hash.slice(1));
    if (Number.isSafeInteger(id) && id > 0) this.open(id);
  }

  move(step) {
    if (this.rows.length === 0) return;
    const at = this.rows.findIndex((request) => request.id === this.selected);
    const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), this.rows.length - 1);
    this.open(this.rows[next].id);
  }

  async remove(id) {
    const at = this.rows.findIndex((request) => request.id === id);
    const next = this.rows[at + 1] ?? this.rows[at - 1];
    await api(`${this.address}/requests/${id}`, 'DELETE').catch(() => null);  // Gone is gone.
    this.close();
    await this.load();
    if (next) this.open(next.id);
  }

  close() {
    this.selected = null;
    history.replaceState(null, '', location.pathname);
    this.showEmpty();
  }

  async clear() {
    await api(`${this.address}/requests`, 'DELETE');
    this.pending = [];
    this.close();
    await this.load();
    toast('All requests deleted');
  }

  togglePause() {
    this.paused = !this.paused;
    $('pause').setAttribute('aria-pressed', String(this.paused));
    $('pause').textContent = this.paused ? 'Resume' : 'Pause';
    this.showState();
    if (!this.paused) {
      this.pending = [];
      this.load();
    }
  }

  showEmpty() {
    const waiting = this.rows.length === 0;
    const key = waiting ? (this.bin.kept > 0 ? 'filtered' : 'waiting') : 'choose';
    if ($('detail').dataset.empty === key && $('detail').querySelector('.empty')) return;
    $('detail').dataset.empty = key;
    const url = this.bin.urls[0] ?? '';
    const line = `curl --json '{"hello": "mirror"}' '${url}orders?from=me'`;
    const tryBlock = (text, what) => element('div', {class: 'try'}, element('pre', {}, text),
      element('button', {type: 'button', onclick: () => copy(text, what)}, 'Copy'));
    const title = {waiting: 'Waiting for the first request', filtered: 'No request passes the filter',
      choose: 'Choose a request'}[key];
    const nodes = key === 'waiting'
      ? [element('p', {}, 'Everything sent below this address is shown here:'), tryBlock(url, 'Address'),
         element('p', {}, 'Try it:'), tryBlock(line, 'Command')]
      : [element('p', {}, element('kbd', {}, 'J'), ' and ', element('kbd', {}, 'K'), ' move through the list, ',
           element('kbd', {}, '/'), ' goes to the filter, ', element('kbd', {}, 'P'), ' pauses, ',
           element('kbd', {}, 'C'), ' copies as curl, ', element('kbd', {}, 'Esc'), ' closes.'),
         tryBlock(url, 'Address')];
    $('detail').replaceChildren(element('div', {class: 'empty'}, element('h2', {}, title), ...nodes));
  }

  showMissing() {
    $('live').hidden = true;
    $('detail').replaceChildren(element('div', {class: 'empty'}, element('h2', {}, 'There is no such bin'),
      element('p', {}, 'It was removed, or the inspector was restarted. ',
        element('a', {href: '/'}, 'All bins'))));
  }

  bindControls() {
    let typing;
    $('filter').addEventListener('input', () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.load(), 120);
    });
    $('pause').addEventListener('click', () => this.togglePause());
    $('clear').addEventListener('click', () => this.clear());
    addEventListener('hashchange', () => this.openFromLink());
    document.addEventListener('keydown', (event) => this.onKey(event));
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches('input')) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    const inList = !event.target.closest('.body');
    const actions = {
      j: () => this.move(1), k: () => this.move(-1), p: () => this.togglePause(),
      '/': () => $('filter').focus(), Escape: () => this.close(), c: () => $('copy-curl')?.click(),
      Delete: () => this.selected !== null && this.remove(this.selected),
      ...(inList && {ArrowDown: () => this.move(1), ArrowUp: () => this.move(-1)}),
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }
}

const onBin = location.pathname.match(/^\/bins\/([A-Za-z0-9-]{8,64})\/?$/);
if (onBin) new BinPage(onBin[1]).start();
else showHome();
