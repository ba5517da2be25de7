import type { Socket } from 'node:net'
import type { Exchange } from '../pipeline/exchange.ts'
import { plainAddress, type TrustedProxies } from '../trusted-proxies.ts'

/** What is known of a client's connection, once for all its requests. */
export interface ClientConnection {
  readonly address: string
  /** The peer is a proxy whose `X-Forwarded-*` is believed. */
  readonly isTrusted: boolean
  /** The request that came last; it may be over. */
  newest: Exchange | null
  /** What follows the newest request cannot be read. */
  isBroken: boolean
}

const connections = new WeakMap<Socket, ClientConnection>()

export function connectionOf(socket: Socket, trustedProxies: TrustedProxies): ClientConnection {
  let connection = connections.get(socket)
  if (connection === undefined) {
    const address = plainAddress(socket.remoteAddress ?? '') ?? '0.0.0.0'
    connection = { address, isTrusted: trustedProxies.has(address), newest: null, isBroken: false }
    connections.set(socket, connection)
  }
  return connection
}
