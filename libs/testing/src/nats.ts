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
