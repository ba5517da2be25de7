import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv } from 'ajv'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { endSecondsOf, root } from './manifests.ts'

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const compose = parse(read('docker-compose.yml'), { merge: true })
const services: Record<string, any> = compose.services
const documentedSettings = [...read('docs/settings.md').matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name)
const own = Object.entries(services).filter(([, { build }]) => build !== undefined)

test('docker-compose.yml follows the schema of the Compose Specification', () => {
  // As compose-go 2.4.9 has it.
  const { $schema: _, ...schema } = JSON.parse(read('test/checks/compose-spec.schema.json'))
  const ajv = new Ajv({ strict: false, allErrors: true, formats: { duration: true, ports: true, expose: true } })
  const validate = ajv.compile(schema)
  validate(compose)
  expect(validate.errors).toBeNull()
  expect(validate({ ...compose, services: { api: { imag: 'x' } } })).toBe(false)
})

test('it is the shape of a deployment: every process, two proxies behind a balancer, and what they rest on', () => {
  expect(Object.keys(services).toSorted()).toEqual(
    [
      ...['api', 'balancer', 'echo', 'jobs', 'migrate', 'nats', 'postgres', 'proxy-1', 'proxy-2', 'redis', 'volumes'],
    ].toSorted(),
  )
  expect(services['postgres'].image).toMatch(/postgres:17/)
  expect(services['nats'].command).toContain('-js')
  const redis = services['redis'].command.join(' ')
  expect(redis).toContain('--maxmemory-policy noeviction --appendonly yes --appendfsync everysec')
})

test('our own images are built from a target that there is, run without rights, and write to nothing but volumes', () => {
  const targets = [...read('Dockerfile').matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name)
  for (const [name, service] of own) {
    expect(targets, name).toContain(service.build.target)
    expect([name, service.read_only, service.cap_drop, service.security_opt]).toEqual([
      name,
      true,
      ['ALL'],
      ['no-new-privileges:true'],
    ])
    // The image's own user is nobody; nothing takes that back.
    expect(service.user).toBeUndefined()
  }
})

test('processes are given settings that exist, and have what they cannot start without', () => {
  for (const [name, { environment = {} }] of own) {
    const unknown = Object.keys(environment).filter((each) => !documentedSettings.includes(each))
    expect(unknown, name).toEqual([])
  }
  for (const name of ['api', 'jobs', 'proxy-1', 'proxy-2']) {
    expect(Object.keys(services[name].environment)).toEqual(
      expect.arrayContaining(['NATS_URL', 'REDIS_URL', 'APIGATE_ENCRYPTION_KEY']),
    )
  }
  const [one, two] = ['proxy-1', 'proxy-2'].map((name) => services[name])
  expect(one.environment.APIGATE_WORKER_ID).not.toBe(two.environment.APIGATE_WORKER_ID)
  expect(one.volumes).not.toEqual(two.volumes)
})

test('everything that serves is asked whether it is ready, and is waited for by what needs it', () => {
  const checked = Object.entries(services).filter(([, { healthcheck }]) => healthcheck !== undefined)
  const names = ['api', 'echo', 'jobs', 'nats', 'postgres', 'proxy-1', 'proxy-2', 'redis']
  expect(checked.map(([name]) => name).toSorted()).toEqual(names)
  const ports: Record<string, string> = { api: '8080', jobs: '8081', 'proxy-1': '8001', 'proxy-2': '8001' }
  for (const [name, port] of Object.entries(ports)) {
    expect(services[name].healthcheck.test.join(' '), name).toContain(`127.0.0.1:${port}/readyz`)
  }
  for (const name of ['api', 'jobs']) {
    expect(services[name].depends_on.migrate.condition).toBe('service_completed_successfully')
  }
  for (const [name, { depends_on: needs = {} }] of Object.entries(services)) {
    const wanted: string[] = Array.isArray(needs) ? needs : Object.keys(needs)
    for (const need of wanted) expect(Object.keys(services), name).toContain(need)
    const healthy = wanted.filter((need) => needs[need]?.condition === 'service_healthy')
    for (const need of healthy) expect(names, need).toContain(need)
  }
})

test('everything that serves comes back after the machine was started again', () => {
  const once = Object.entries(services).filter(([, { restart }]) => restart !== 'unless-stopped')
  expect(once.map(([name]) => name).toSorted()).toEqual(['migrate', 'volumes'])
})

test('processes have the time that their end takes', () => {
  for (const name of ['api', 'jobs', 'proxy-1', 'proxy-2']) {
    expect(Number.parseInt(services[name].stop_grace_period)).toBeGreaterThan(endSecondsOf[name.split('-')[0]!]!)
  }
})

test('only this machine reaches what is published, and the balancer asks proxies whether they are ready', () => {
  for (const { ports = [] } of Object.values(services)) {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
  }
  const { content } = compose.configs.balancer
  expect(content).toContain('option httpchk GET /readyz')
  expect(content).toContain('check port 8001')
  expect(content).toContain('resolvers docker init-addr')
  const declared = Object.keys(compose.volumes)
  const used = Object.values(services).flatMap(({ volumes = [] }) => volumes.map((each: string) => each.split(':')[0]))
  expect(new Set(used)).toEqual(new Set(declared))
})
