import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../scripts/ports.mjs'
import { measuredCore, startPinned, type BenchProcess } from '../processes.ts'

/** Plain proxies that need not be installed; each runs as one process, and with one thread where that is its choice. */
interface PlainProxy {
  name: string
  configuration: (port: number, upstreamPort: number, dir: string) => string
  command: (file: string) => string[]
  version: string[]
}

const plainProxies: PlainProxy[] = [
  {
    name: 'nginx',
    version: ['nginx', '-v'],
    command: (file) => ['nginx', '-e', 'stderr', '-c', file],
    configuration: (port, upstreamPort, dir) => `
      daemon off; master_process off; error_log stderr crit; pid ${dir}/nginx.pid;
      events { worker_connections 1024; }
      http {
        access_log off; keepalive_requests 100000000; keepalive_timeout 60s;
        client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/f;
        uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
        upstream up { server 127.0.0.1:${upstreamPort}; keepalive 100; keepalive_requests 100000000; }
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }
        }
      }`,
  },
  {
    name: 'haproxy',
    version: ['haproxy', '-v'],
    command: (file) => ['haproxy', '-db', '-q', '-f', file],
    configuration: (port, upstreamPort) => `
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:${port}
  http-reuse always
  server up 127.0.0.1:${upstreamPort}
`,
  },
  {
    name: 'caddy',
    version: ['caddy', 'version'],
    command: (file) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', file],
    configuration: (port, upstreamPort) => `
{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://127.0.0.1:${port}, http://bench.test:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${upstreamPort} {
    transport http {
      keepalive_idle_conns_per_host 100
    }
  }
}
`,
  },
]

/** Those that are on PATH, started. */
export async function startInstalled(
  upstreamPort: number,
): Promise<{ name: string; process: BenchProcess; port: number }[]> {
  const started = []
  for (const { name, version, command, configuration } of plainProxies) {
    const { error, stdout, stderr } = spawnSync(version[0]!, version.slice(1), { encoding: 'utf8' })
    if (error !== undefined) continue
    const dir = mkdtempSync(path.join(os.tmpdir(), `apigate-bench-${name}-`))
    const port = await freePort()
    const file = path.join(dir, 'configuration')
    writeFileSync(file, configuration(port, upstreamPort, dir))
    const process = startPinned(command(file), measuredCore, 'ignore')
    process.child.on('exit', () => rmSync(dir, { recursive: true, force: true }))
    while (!(await fetch(`http://127.0.0.1:${port}/items/small`).catch(() => null))?.ok) {
      if (process.child.exitCode !== null) throw new Error(`${name} did not start`)
      await sleep(50)
    }
    const number = /\d+\.\d+(?:\.\d+)?/.exec(stdout + stderr)?.[0] ?? ''
    started.push({ name: `${name} ${number}, plain`, process, port })
  }
  return started
}
