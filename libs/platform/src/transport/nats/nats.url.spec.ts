import { expect, test } from 'vitest'
import { natsOptions } from './nats.url.ts'

test.each([
  ['nats://127.0.0.1:4222', { servers: ['127.0.0.1:4222'] }],
  ['127.0.0.1:4222', { servers: ['127.0.0.1:4222'] }],
  ['nats://a:1, nats://b:2', { servers: ['a:1', 'b:2'] }],
  ['tls://me:p%40ss@a:1', { servers: ['a:1'], tls: {}, user: 'me', pass: 'p@ss' }],
  ['nats://s3cret@a:1,b:2', { servers: ['a:1', 'b:2'], token: 's3cret' }],
])('%s', (url, options) => {
  expect(natsOptions(url)).toEqual(options)
})

test.each(['', 'http://a:1', 'nats://', 'nats://pass word@:x'])('%j is refused without being repeated', (url) => {
  expect(() => natsOptions(url)).toThrow(/^NATS_URL must be nats:\/\/host:port or tls:\/\/host:port, or several/)
})
