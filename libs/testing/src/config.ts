/** Addresses of the real servers that tests run against; `npm test` starts them and sets these. */
function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: start the tests with "npm test", which starts the servers`)
  return value
}

export const testServers = {
  get databaseUrl(): string {
    return required('DATABASE_URL')
  },
  get natsUrl(): string {
    return required('NATS_URL')
  },
  get redisUrl(): string {
    return required('REDIS_URL')
  },
}
