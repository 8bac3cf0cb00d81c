// dockerode. Its own helpers take logs apart (demuxStream) and read the progress of a pull (followProgress); it has none
// for events and stats, whose lines are parsed as its users parse them.
'use strict';
const fs = require('fs');
const { Writable } = require('stream');

const SMALL = ['ping', 'list10'];
const LIMITS = { list_cl: 2000, list_ch: 2001, list10: 10 };
const STREAMS = ['logs', 'logs_ts', 'logs_co', 'logs_f', 'attach', 'tty', 'stats', 'events', 'pull'];
const JOBS = [...STREAMS, 'list_cl', 'list_ch', 'list10', 'ping', 'many:N:S'];

function cannot(why) {
  console.error(why);
  process.exit(77);
}

function ended(stream) {
  return new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
}

async function frames(docker, stream) {
  let items = 0;
  let bytes = 0;
  const counter = () => new Writable({
    write(chunk, encoding, done) {
      items += 1;
      bytes += chunk.length;
      done();
    },
  });
  docker.modem.demuxStream(stream, counter(), counter());
  await ended(stream);
  return { items, bytes };
}

async function raw(stream) {
  let bytes = 0;
  stream.on('data', (chunk) => { bytes += chunk.length; });
  await ended(stream);
  return { items: null, bytes };
}

async function documents(stream) {
  let items = 0;
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (typeof JSON.parse(line) === 'object') items += 1;
    }
  });
  await ended(stream);
  return { items, bytes: null };
}

function progress(docker, stream) {
  return new Promise((resolve, reject) => {
    let items = 0;
    docker.modem.followProgress(
      stream,
      (error) => (error ? reject(error) : resolve({ items, bytes: null })),
      () => { items += 1; },
    );
  });
}

async function small(call, repeat) {
  const calls = [];
  let items = 0;
  for (let number = 0; number < repeat; number += 1) {
    const begun = process.hrtime.bigint();
    items += await call();
    calls.push(Number(process.hrtime.bigint() - begun) / 1e9);
  }
  return { items, bytes: null, calls };
}

const LOGS = { follow: true, stdout: true, stderr: true };

async function run(docker, job, repeat) {
  const name = `${job}.${repeat}`;
  const container = docker.getContainer(name);
  switch (job) {
    case 'logs': case 'logs_co': case 'logs_f': return frames(docker, await container.logs(LOGS));
    case 'logs_ts': return frames(docker, await container.logs({ ...LOGS, timestamps: true }));
    case 'tty': return raw(await container.logs(LOGS));
    case 'attach': return frames(docker, await container.attach({ stream: true, stdout: true, stderr: true }));
    case 'stats': return documents(await container.stats({ stream: true }));
    case 'events': return documents(await docker.getEvents({ filters: { container: [name] } }));
    case 'pull': return progress(docker, await docker.pull(`${name}:latest`));
    case 'ping': return small(async () => { await docker.ping(); return 1; }, repeat);
    default: return small(async () => (await docker.listContainers({ limit: LIMITS[job] })).length, repeat);
  }
}

// KiB, of this process; ru_maxrss would begin with what the process had that started this one.
function memory(field) {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(fs.readFileSync('/proc/self/status', 'latin1'))[1]);
}

let startup;
let startRss;
let wall;
let used;

function start() {
  wall = process.hrtime.bigint();
  used = process.cpuUsage();
}

function report(seen) {
  const more = process.cpuUsage(used);
  const line = {
    items: seen.items,
    bytes: seen.bytes,
    user: more.user / 1e6,
    system: more.system / 1e6,
    wall: Number(process.hrtime.bigint() - wall) / 1e9,
    start_rss: startRss,
    peak_rss: memory('VmHWM'),
    startup,
  };
  if (seen.calls) {
    const calls = seen.calls.sort((a, b) => a - b);
    line.p50 = calls[Math.floor(calls.length / 2)];
    line.p99 = calls[Math.floor((calls.length * 99) / 100)];
  }
  console.log(JSON.stringify(line));
}

async function many(docker, streams, seconds) {
  await docker.ping();
  const name = `many.${streams}.${seconds}`;
  const all = await Promise.all(Array.from({ length: streams }, () => docker.getContainer(name).logs(LOGS)));
  start();
  const seen = await Promise.all(all.map((stream) => frames(docker, stream)));
  report({ items: seen.reduce((sum, { items }) => sum + items, 0), bytes: null });
}

async function main() {
  const args = process.argv.slice(2);
  if (args[0] === '--jobs') {
    console.log(JOBS.join('\n'));
    return;
  }
  const [socketPath, job, repeat] = [args[0], args[1], Number(args[2])];
  const streams = /^many:(\d+):(\d+)$/.exec(job);
  if (!streams && !JOBS.includes(job)) cannot(`${job} is not a job of this client`);
  let Docker;
  try {
    Docker = require('dockerode');
  } catch {
    cannot('dockerode is not installed: bench/peers/clients/setup.sh gets it');
  }
  const docker = new Docker({ socketPath, version: 'v1.41' });
  const { user, system } = process.cpuUsage();
  startup = (user + system) / 1e6;
  startRss = memory('VmRSS');
  if (streams) {
    await many(docker, Number(streams[1]), Number(streams[2]));
    return;
  }
  await run(docker, job, SMALL.includes(job) ? 20 : 1);
  start();
  report(await run(docker, job, repeat));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
}).then(() => process.exit());
