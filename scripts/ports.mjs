import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'

/** Below the range that systems hand out for outgoing connections, so that none of those takes it in between. */
const range = { from: 20_000, to: 32_000 }
const claims = path.join(os.tmpdir(), `apigate-ports-${process.getuid?.() ?? ''}`)
const claimed = []

/** Whether nothing listens on the port of that address. */
export function isPortFree(port, host = '127.0.0.1') {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A port that nothing listens on, and that no other process of this user gets from here while this one runs. */
export async function freePort() {
  for (;;) {
    const port = range.from + Math.floor(Math.random() * (range.to - range.from))
    if (claim(port) && (await isPortFree(port))) return port
  }
}

// Systems under test start side by side and take seconds from choosing their ports to listening on them.
function claim(port) {
  const file = path.join(claims, String(port))
  try {
    mkdirSync(claims, { recursive: true })
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    if (claimed.length === 0) process.once('exit', () => claimed.forEach((each) => rmSync(each, { force: true })))
    claimed.push(file)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') return true // no folder to claim in: chance is enough
    if (!isHeld(file)) rmSync(file, { force: true })
    return false
  }
}

function isHeld(file) {
  try {
    process.kill(Number(readFileSync(file, 'utf8')) || process.pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
