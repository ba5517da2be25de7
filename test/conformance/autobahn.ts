import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { startFakeUpstream } from '@apigate/testing'
import type { RunningSystem } from '../e2e/system.ts'
import { closeFrame, dataFrame, FrameReader, headOfFrame, opcodes } from './websocket.frames.ts'
import { putRoutes } from './routes.ts'
import { inLanes, verdict, type Verdict } from './verdict.ts'

export interface AutobahnCase {
  id: string
  actions: Action[]
  /** Lists of events, by how well the peer did. */
  expected: Record<string, [kind: string, ...details: unknown[]][]>
  suppress_close: boolean
}

type Action = Sending | { op: 'wait' | 'killAfter' | 'closeAfter'; s: number }
type Sending =
  | { op: 'frame'; opcode: number; fin: boolean; rsv: number; b64: string; chop: number | null }
  | { op: 'message'; binary: boolean; b64: string; fragment: number | null }
  | { op: 'framehead'; opcode: number; length: number; fin: boolean }
  | { op: 'framedata'; b64: string }
  | { op: 'close'; code: number | null; reason: string | null }

/** What the client saw: events in their order, and how it ended. */
interface Seen {
  events: unknown[][]
  closeCode: number | null
  /** The peer closed, before the client lost its patience. */
  isClosedByPeer: boolean
}

const lanes = 40
const patienceMs = 10_000

/** Plays each case straight to an echo server and through the proxy: a proxy is right when nobody can tell the difference. */
export async function runAutobahn(system: RunningSystem, cases: readonly AutobahnCase[]): Promise<Verdict[]> {
  const upstream = await startFakeUpstream()
  const route = { path_pattern: '/', protocol: 'websocket', upstream: { base_url: upstream.url } }
  const routes = await putRoutes(system, [route])
  try {
    return await inLanes(cases, lanes, async (one) => {
      const [straight, proxied] = await Promise.all([play(upstream.url, one), play(system.proxyUrl, one)])
      const [left, right] = [JSON.stringify(straight), JSON.stringify(proxied)]
      return verdict(
        one.id,
        left === right ? null : `straight ${left.slice(0, 300)}, by the proxy ${right.slice(0, 300)}`,
      )
    })
  } finally {
    await routes.remove()
    await upstream.close()
  }
}

async function play(url: string, { actions, expected, suppress_close }: AutobahnCase): Promise<Seen> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  const seen: Seen = { events: [], closeCode: null, isClosedByPeer: false }
  const wanted = Object.values(expected).map((events) => JSON.stringify(events.filter(([kind]) => kind !== 'timeout')))
  let isClosing = false
  let isClosed = false
  const sendClose = (code: number | null, reason: Buffer): void => {
    isClosing = true
    socket.write(closeFrame(code, reason))
  }
  const reader = new FrameReader((opcode, payload) => {
    if (opcode === opcodes.close) {
      seen.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 0
      if (!isClosing) sendClose(seen.closeCode || null, Buffer.alloc(0))
      return
    }
    const b64 = payload.toString('base64')
    if (opcode === opcodes.ping) seen.events.push(['ping', b64])
    else if (opcode === opcodes.pong) seen.events.push(['pong', b64])
    else seen.events.push(['message', b64, opcode === opcodes.binary])
    if (!suppress_close && !isClosing && wanted.includes(JSON.stringify(seen.events))) sendClose(1000, Buffer.alloc(0))
  })
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      isClosed = true
      resolve()
    })
  })
  socket.on('error', () => {})
  socket.on('end', () => (seen.isClosedByPeer = true))
  await upgraded(socket, reader)

  let patience = patienceMs
  for (const action of actions) {
    switch (action.op) {
      case 'killAfter':
        patience = action.s * 1_000
        break
      case 'closeAfter':
        void delay(action.s * 1_000).then(() => !isClosing && !isClosed && sendClose(1000, Buffer.alloc(0)))
        break
      case 'wait':
        await Promise.race([delay(action.s * 1_000), closed])
        break
      case 'close':
        isClosing = true
        socket.write(closeFrame(action.code, Buffer.from(action.reason ?? '', 'base64')))
        break
      case 'frame':
      case 'message':
      case 'framehead':
      case 'framedata':
        for (const bytes of bytesOf(action)) if (!isClosed) socket.write(bytes)
    }
  }
  // The machine may be busy: patience is for peers that do nothing, and costs time only with those.
  await Promise.race([closed, delay(patience + 1_000)])
  socket.destroy()
  return seen
}

async function upgraded(socket: ReturnType<typeof connect>, reader: FrameReader): Promise<void> {
  socket.write(
    'GET /echo HTTP/1.1\r\nHost: gw.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await new Promise<void>((resolve, reject) => {
    let head = ''
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      socket.off('data', onData)
      if (!head.startsWith('HTTP/1.1 101 ')) return reject(new Error(`no upgrade: ${head.slice(0, 200)}`))
      socket.on('data', (more: Buffer) => reader.read(more))
      reader.read(Buffer.from(head.slice(end + 4), 'latin1'))
      resolve()
    }
    socket.on('data', onData)
    socket.on('close', () => reject(new Error('the connection was closed before the upgrade')))
  })
}

function bytesOf(action: Exclude<Sending, { op: 'close' }>): Buffer[] {
  switch (action.op) {
    case 'frame': {
      const { opcode, fin, rsv, b64, chop } = action
      return pieces(dataFrame(opcode, Buffer.from(b64, 'base64'), { fin, rsv }), chop)
    }
    case 'message': {
      const parts = pieces(Buffer.from(action.b64, 'base64'), action.fragment)
      const opcode = action.binary ? opcodes.binary : opcodes.text
      return parts.map((part, i) =>
        dataFrame(i === 0 ? opcode : opcodes.continuation, part, { fin: i === parts.length - 1 }),
      )
    }
    case 'framehead':
      return [headOfFrame(action.opcode, action.length, { fin: action.fin })]
    case 'framedata':
      // Masked with zeros, as every frame here.
      return [Buffer.from(action.b64, 'base64')]
  }
}

function pieces(bytes: Buffer, size: number | null): Buffer[] {
  if (size === null || bytes.length <= size) return [bytes]
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size))
  return parts
}
