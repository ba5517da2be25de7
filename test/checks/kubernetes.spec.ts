import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { schemaProblems } from './kubernetes.schema.ts'
import { endSecondsOf, manifestsIn, rendered, root, type Manifest } from './manifests.ts'

const folders = ['k8s/base', 'k8s/overlays/dev', 'k8s/overlays/production', 'k8s/components/monitoring']
const documentedSettings = new Set(
  [...readFileSync(path.join(root, 'docs/settings.md'), 'utf8').matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name),
)
const base = manifestsIn('k8s/base/*.yaml')
/** What kubectl makes of base, dev and production, where there is one: Debian has none that is new enough. */
const overlays = folders.slice(0, 3).map(rendered)
const monitoring = manifestsIn('k8s/components/monitoring/service-monitors.yaml')
const kinds = (kind: string): Manifest[] => base.filter((manifest) => manifest.kind === kind)
const named = (kind: string, name: string): Manifest => {
  const found = base.find((manifest) => manifest.kind === kind && manifest.metadata.name === name)
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`)
  return found
}
const workloads = base.filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind))
const servers = workloads.filter(({ kind }) => kind !== 'Job')
const nameLabel = 'app.kubernetes.io/name'
const labelOf = (workload: Manifest): string => workload.spec.template.metadata.labels[nameLabel]
const containerOf = (workload: Manifest): any => workload.spec.template.spec.containers[0]
/** Where the processes listen, by docs/settings.md. */
const ports: Record<string, number[]> = {
  'apigate-api': [8080],
  'apigate-jobs': [8081],
  'apigate-proxy': [8000, 8001],
}

test('every kustomization names files that are there, and leaves none out', () => {
  for (const folder of folders) {
    const text = readFileSync(path.join(root, folder, 'kustomization.yaml'), 'utf8')
    const { resources = [], components = [], patches = [] } = parse(text)
    const paths = patches.flatMap((patch: { path?: string }) => patch.path ?? [])
    const names: string[] = [...resources, ...components, ...paths]
    expect(names.filter((name) => !existsSync(path.join(root, folder, name)))).toEqual([])
    const files = globSync('*.yaml', { cwd: path.join(root, folder) }).filter((file) => file !== 'kustomization.yaml')
    expect(files.toSorted()).toEqual(names.filter((name) => !name.includes('/')).toSorted())
  }
})

test('every manifest follows the published schema of its kind, and has no member that it does not know', async () => {
  const files = [...base, ...monitoring, ...manifestsIn('k8s/*.yaml'), ...manifestsIn('k8s/overlays/*/namespace.yaml')]
  const objects = [...files, ...overlays.flatMap((each) => each ?? [])].filter(
    ({ apiVersion }) => !apiVersion.startsWith('kustomize'),
  )
  expect((await Promise.all(objects.map(schemaProblems))).flat()).toEqual([])
  expect(objects.length).toBeGreaterThan(20)
})

test('every overlay changes objects that are there, and containers by their names', () => {
  for (const folder of folders.slice(1, 3)) {
    const {
      patches = [],
      replicas = [],
      images = [],
    } = parse(readFileSync(path.join(root, folder, 'kustomization.yaml'), 'utf8'))
    const patched = patches.flatMap((patch: { path?: string }) =>
      patch.path === undefined ? [] : manifestsIn(`${folder}/${patch.path}`),
    )
    for (const { kind, metadata, spec } of patched) {
      const names = (workload: any): string[] =>
        (workload?.template?.spec.containers ?? []).map((each: any) => each.name)
      expect(names(named(kind, metadata.name).spec)).toEqual(expect.arrayContaining(names(spec)))
    }
    const targets = patches.flatMap((patch: { target?: { kind: string } }) => patch.target?.kind ?? [])
    expect(targets.filter((kind: string) => kinds(kind).length === 0)).toEqual([])
    for (const { name } of replicas) expect(servers.map(({ metadata }) => metadata.name)).toContain(name)
    for (const { name } of images) expect(workloads.map((each) => containerOf(each).image)).toContain(name)
  }
})

test('what kubectl makes of the overlays is what they say', () => {
  const said = {
    autoscalersOfDev: 0,
    replicasOfDev: [1, 1, 1],
    namespacesOfProduction: ['apigate'],
    monitorsOfProduction: 3,
    proxyOfProduction: ['apigate/proxy:0.1.0', '1', '/readyz'],
  }
  const [, dev, production] = overlays
  const rendering = dev && production ? factsOf(dev, production) : said
  expect(rendering).toEqual(said)
})

function factsOf(dev: Manifest[], production: Manifest[]): object {
  const scoped = production.filter(({ kind }) => kind !== 'Namespace')
  const { image, resources, readinessProbe } = containerOf(scoped.find(({ kind }) => kind === 'StatefulSet')!)
  return {
    autoscalersOfDev: dev.filter(({ kind }) => kind === 'HorizontalPodAutoscaler').length,
    replicasOfDev: dev.filter(({ kind }) => /^(Deployment|StatefulSet)$/.test(kind)).map(({ spec }) => spec.replicas),
    namespacesOfProduction: [...new Set(scoped.map(({ metadata }) => metadata.namespace))],
    monitorsOfProduction: scoped.filter(({ kind }) => kind === 'ServiceMonitor').length,
    proxyOfProduction: [image, resources.requests.cpu, readinessProbe.httpGet.path],
  }
}

test('there is a process of each kind, with its command in the image', () => {
  const commands = workloads.map((workload) => [workload.kind, labelOf(workload), containerOf(workload).command?.[1]])
  expect(commands).toEqual([
    ['Deployment', 'apigate-api', 'dist/main.api.js'],
    ['Deployment', 'apigate-jobs', 'dist/main.jobs.js'],
    ['Job', 'apigate-migrate', 'dist/main.migrate.js'],
    ['StatefulSet', 'apigate-proxy', undefined],
  ])
  for (const [, , file] of commands) {
    const source = file?.replace('dist/', 'apps/control-plane/src/').replace('.js', '.ts') ?? 'apps/proxy/src/main.ts'
    expect(existsSync(path.join(root, source))).toBe(true)
  }
})

describe.each(workloads.map((workload) => [labelOf(workload), workload] as const))('%s', (name, workload) => {
  const pod = workload.spec.template.spec
  const container = containerOf(workload)

  test('runs as nobody, with nothing to write to and no rights', () => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    expect(pod.securityContext.runAsUser).toBeGreaterThan(0)
    expect(pod.automountServiceAccountToken).toBe(false)
    expect(pod.containers).toHaveLength(1)
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  test('says what it needs, and is given settings that exist', () => {
    expect(container.resources.requests).toMatchObject({ cpu: expect.any(String), memory: expect.any(String) })
    expect(container.resources.limits).toEqual({ memory: expect.any(String) })
    const [config, secret] = container.envFrom
    expect(config).toEqual({ configMapRef: { name: 'apigate-settings' } })
    // A proxy gets one key of it.
    const secrets = { secretRef: { name: 'apigate-secrets' } }
    expect(secret).toEqual(name === 'apigate-proxy' ? undefined : secrets)
    const names = (container.env ?? []).map((entry: { name: string }) => entry.name)
    expect(names.filter((each: string) => !documentedSettings.has(each))).toEqual([])
  })

  test('is found by its own labels', () => {
    expect(workload.spec.selector?.matchLabels).toEqual(workload.kind === 'Job' ? undefined : { [nameLabel]: name })
    const policy = named('NetworkPolicy', name)
    expect(policy.spec.podSelector.matchLabels).toEqual({ [nameLabel]: name })
    expect(policy.spec.policyTypes).toEqual(['Ingress', 'Egress'])
  })
})

describe.each(servers.map((workload) => [labelOf(workload), workload] as const))('%s', (name, workload) => {
  const pod = workload.spec.template.spec
  const container = containerOf(workload)

  test('listens where the process does, and is asked there', () => {
    expect(container.ports.map((port: any) => port.containerPort)).toEqual(ports[name])
    const portNames = container.ports.map((port: any) => port.name)
    for (const [probe, file] of [
      [container.readinessProbe, '/readyz'],
      [container.livenessProbe, '/healthz'],
    ]) {
      expect(probe.httpGet.path).toBe(file)
      expect(portNames).toContain(probe.httpGet.port)
    }
    for (const rule of named('NetworkPolicy', name).spec.ingress) {
      for (const { port } of rule.ports) expect(portNames).toContain(port)
    }
  })

  test('is not taken away as a whole, and spreads over machines and zones', () => {
    const budget = named('PodDisruptionBudget', name).spec
    expect([budget.maxUnavailable, budget.selector.matchLabels]).toEqual([1, { [nameLabel]: name }])
    const spread = pod.topologySpreadConstraints
    expect(spread.map((each: any) => each.topologyKey)).toEqual([
      'topology.kubernetes.io/zone',
      'kubernetes.io/hostname',
    ])
    for (const { labelSelector } of spread) expect(labelSelector.matchLabels).toEqual({ [nameLabel]: name })
  })

  test('has the time that its end takes', () => {
    const preStopSeconds = Number(/, (\d+)000\)/.exec(container.lifecycle?.preStop.exec.command[2] ?? '')?.[1] ?? 0)
    // Nothing is routed to `jobs`.
    expect(preStopSeconds).toBe(name === 'apigate-jobs' ? 0 : 2)
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(
      preStopSeconds + endSecondsOf[name.replace('apigate-', '')]!,
    )
  })
})

test('services lead to ports that are there', () => {
  const services = kinds('Service')
  expect(services).toHaveLength(3)
  for (const { spec } of services) {
    const target = servers.find((workload) => labelOf(workload) === spec.selector[nameLabel])!
    const portNames = containerOf(target).ports.map((port: any) => port.name)
    for (const { targetPort } of spec.ports) expect(portNames).toContain(targetPort)
  }
  expect(named('Service', named('StatefulSet', 'apigate-proxy').spec.serviceName).spec.clusterIP).toBe('None')
})

test('every process is monitored: by a service that is there, under the name that the alerts know', () => {
  const monitors = monitoring.filter(({ kind }) => kind === 'ServiceMonitor')
  expect(monitors.map(({ metadata }) => metadata.name)).toEqual(['apigate-proxy', 'apigate-jobs', 'apigate-api'])
  const services = [...base, ...monitoring].filter(({ kind }) => kind === 'Service')
  for (const { metadata, spec } of monitors) {
    expect(spec.jobLabel).toBe(nameLabel)
    const selected = services.filter((service) => service.metadata.labels?.[nameLabel] === metadata.name)
    expect(selected.map((service) => service.spec.selector)).toEqual([{ [nameLabel]: metadata.name }])
    const [port] = selected[0]!.spec.ports
    expect(spec.endpoints.map((endpoint: any) => endpoint.port)).toEqual([port.name])
    const [container] = servers.filter((workload) => labelOf(workload) === metadata.name).map(containerOf)
    const listened = container.ports.find((each: any) => each.name === port.targetPort)
    expect(listened.containerPort).toBe(ports[metadata.name]!.at(-1))
  }
})

test('the spool of a proxy outlives its container, in the folder that the image names', () => {
  const proxy = named('StatefulSet', 'apigate-proxy')
  const [claim] = proxy.spec.volumeClaimTemplates
  expect(containerOf(proxy).volumeMounts).toEqual([{ name: claim.metadata.name, mountPath: '/data' }])
  expect(readFileSync(path.join(root, 'Dockerfile'), 'utf8')).toContain('APIGATE_DATA_DIR=/data')
  expect(proxy.spec.template.spec.securityContext.fsGroup).toBe(65_532)
  // A worker opens upstream credentials and never meets the database.
  const secrets = containerOf(proxy).env.flatMap((entry: any) => entry.valueFrom?.secretKeyRef?.key ?? [])
  expect(secrets).toEqual(['APIGATE_ENCRYPTION_KEY'])
})

test('proxies scale on CPU and on requests in flight, which they tell by that name', () => {
  const { scaleTargetRef, metrics } = named('HorizontalPodAutoscaler', 'apigate-proxy').spec
  expect(scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'apigate-proxy' })
  expect(metrics.map((metric: any) => metric.resource?.name ?? metric.pods?.metric.name)).toEqual([
    'cpu',
    'apigate_requests_in_flight',
  ])
  expect(readFileSync(path.join(root, 'docs/metrics.md'), 'utf8')).toContain('| `apigate_requests_in_flight` ')
  // Each apply would otherwise undo what the autoscaler has done.
  for (const { spec } of kinds('HorizontalPodAutoscaler')) {
    expect(named(spec.scaleTargetRef.kind, spec.scaleTargetRef.name).spec.replicas).toBeUndefined()
  }
})

test('only the namespace of the monitoring reaches status ports, and nothing reaches the metadata service of a cloud', () => {
  for (const [name, port] of [
    ['apigate-proxy', 'status'],
    ['apigate-jobs', 'http'],
  ] as const) {
    const rule = named('NetworkPolicy', name).spec.ingress.find((each: any) => each.ports[0].port === port)
    expect(rule.from[0].namespaceSelector.matchLabels).toEqual({ 'kubernetes.io/metadata.name': 'monitoring' })
  }
  const blocks = kinds('NetworkPolicy').flatMap(({ spec }) =>
    spec.egress.flatMap((rule: any) => (rule.to ?? []).map((to: any) => to.ipBlock)),
  )
  expect(blocks.filter(({ cidr }) => cidr === '0.0.0.0/0').map(({ except }) => except)).toEqual([
    ['169.254.0.0/16'],
    ['169.254.0.0/16'],
  ])
})

test('the names in settings and in the secret are settings', () => {
  const settings = manifestsIn('k8s/**/settings.yaml').flatMap(({ data }) => Object.keys(data ?? {}))
  const [secret] = manifestsIn('k8s/secret.template.yaml')
  const names = [...settings, ...Object.keys(secret!.stringData ?? {})]
  expect(names.filter((name) => !documentedSettings.has(name))).toEqual([])
  expect(secret!.metadata.name).toBe('apigate-secrets')
  expect(named('ConfigMap', 'apigate-settings').data).toBeDefined()
  expect(Object.keys(secret!.stringData ?? {})).toEqual(
    expect.arrayContaining(['DATABASE_URL', 'APIGATE_ENCRYPTION_KEY']),
  )
})
