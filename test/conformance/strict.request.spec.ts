import { expect, test } from 'vitest'
import { readStrictly } from './strict.request.ts'

const head = 'POST /a HTTP/1.1\r\nHost: a\r\n'

test('a request of known length, one in chunks and one without a body are read to their end', () => {
  const bytes = `${head}Content-Length: 3\r\n\r\nabc${head}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n${head}\r\n`
  expect(readStrictly(bytes)).toMatchObject({ problem: null, hasPartialBody: false, requests: [{}, {}, {}] })
})

test('a body that is not all there is no complete request', () => {
  for (const rest of ['Content-Length: 3\r\n\r\nab', 'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n']) {
    expect(readStrictly(head + rest)).toEqual({ problem: null, hasPartialBody: true, requests: [] })
  }
})

test.each([
  'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'Content-Length: 1\r\nContent-Length: 1\r\n\r\na',
  'Content-Length: +1\r\n\r\na',
  'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n',
  'Transfer_Encoding: chunked\r\n\r\n',
  'Host: b\r\n\r\n',
  'X : a\r\n\r\n',
  'X: a\r\n b\r\n\r\n',
  'X: a\rb\r\n\r\n',
  'X: a\nY: b\r\n\r\n',
  'X: a\0\r\n\r\n',
])('%j can be read in another way', (rest) => {
  expect(readStrictly(head + rest).problem).not.toBeNull()
})
