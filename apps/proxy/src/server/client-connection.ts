import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Exchange } from '../pipeline/exchange.ts'
import type { Refusal } from '../pipeline/refusal.ts'
import { plainAddress, type TrustedProxies } from '../trusted-proxies.ts'

/** A request that came while the one before it had no answer yet. */
export interface WaitingRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly awaitsContinue: boolean
}

/** What is known of a client's connection, once for all its requests. */
export interface ClientConnection {
  readonly address: string
  /** The peer is a proxy whose `X-Forwarded-*` is believed. */
  readonly isTrusted: boolean
  /** The request that came last; it may be over. */
  newest: Exchange | null
  /** In order; null until there is one. */
  waiting: WaitingRequest[] | null
  /** What follows the newest request, or the last that waits, cannot be read: this was to be said of it. */
  broken: Refusal | null
}

/** On the socket itself: every request asks for it. */
const connectionOfSocket = Symbol('connection')

interface KnownSocket extends Socket {
  [connectionOfSocket]?: ClientConnection
}

export function connectionOf(socket: KnownSocket, trustedProxies: TrustedProxies): ClientConnection {
  let connection = socket[connectionOfSocket]
  if (connection === undefined) {
    const address = plainAddress(socket.remoteAddress ?? '') ?? '0.0.0.0'
    connection = { address, isTrusted: trustedProxies.has(address), newest: null, waiting: null, broken: null }
    socket[connectionOfSocket] = connection
  }
  return connection
}
