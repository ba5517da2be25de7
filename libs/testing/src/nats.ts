import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { testServers } from './config.ts'

/** Removes what a test left on the NATS server under its `namespace` (see `TransportConfig`). */
export async function dropNatsNamespace(namespace: string): Promise<void> {
  const connection = await connect({ servers: new URL(testServers.natsUrl).host })
  try {
    const { streams } = await jetstreamManager(connection)
    const names: string[] = []
    for await (const name of streams.names()) names.push(name)
    for (const name of names) {
      // Buckets and object stores are streams with a prefix.
      if (name.replace(/^(KV|OBJ)_/, '').startsWith(`${namespace}_`)) await streams.delete(name)
    }
  } finally {
    await connection.close()
  }
}

/** A NATS server as a stray client or an operator meets it: for tests that disturb what the product keeps there. */
export interface NatsWire {
  /** Resolves when the server has them. */
  publish(subject: string, texts: readonly string[]): Promise<void>
  deleteStream(name: string): Promise<void>
  /** The oldest message that a stream holds; null when it is empty. */
  firstMessage(stream: string): Promise<string | null>
  close(): Promise<void>
}

export async function aNatsWire(url: string): Promise<NatsWire> {
  const connection = await connect({ servers: new URL(url).host })
  const manager = await jetstreamManager(connection)
  return {
    async publish(subject, texts) {
      for (const text of texts) connection.publish(subject, text)
      await connection.flush()
    },
    async deleteStream(name) {
      await manager.streams.delete(name)
    },
    async firstMessage(stream) {
      const { state } = await manager.streams.info(stream)
      if (state.messages === 0) return null
      return (await manager.direct.getMessage(stream, { seq: state.first_seq }))?.string() ?? null
    },
    close: () => connection.close(),
  }
}
