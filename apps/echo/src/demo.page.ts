/** A page that uses the browser's own EventSource and WebSocket on addresses beside its own. */
export const demoPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>APIGate demo</title>
<h1>Through the gateway</h1>
<h2>EventSource</h2>
<pre id="events"></pre>
<h2>WebSocket</h2>
<pre id="socket"></pre>
<script>
  const show = (id, text) => { document.getElementById(id).textContent += text + '\\n' }
  const events = new EventSource('events?n=3')
  events.onmessage = (event) => show('events', event.data)
  events.onerror = () => { events.close(); show('events', 'closed') }
  const address = new URL('socket', location.href)
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  const socket = new WebSocket(address)
  socket.onopen = () => socket.send('hello')
  let received = 0
  socket.onmessage = (event) => {
    received += 1
    if (received === 1) return // the greeting
    show('socket', event.data)
    socket.close()
  }
  socket.onclose = (event) => show('socket', 'closed ' + event.code)
</script>
</html>
`
