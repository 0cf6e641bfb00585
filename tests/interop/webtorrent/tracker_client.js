// The client of the bittorrent-tracker package: `node tracker_client.js URL INFO_HASH` comes as a seeder, asks for the
// counts, leaves, and prints each reply as a line of JSON: what was asked for, the event it caused, and its data.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import tls from 'node:tls'

import Client from 'bittorrent-tracker/client'

// Who signed the certificate is checked, for which host is not: Debian's Node.js 18 believes none for an IPv6 address.
tls.checkServerIdentity = () => undefined

const [url, infoHash] = process.argv.slice(2)
const client = new Client({
  infoHash,
  peerId: randomBytes(20),
  announce: [url],
  port: 6881, // it wants one, and tells it to other kinds of trackers
  wrtc: {} // without any, it takes no WebSocket trackers in Node.js; no peer is made with it
})

async function tell (question, ask) {
  const stop = new AbortController()
  const event = async name => [name, (await once(client, name, stop))[0]]
  const reply = Promise.race(['update', 'scrape', 'warning'].map(event))
  ask()
  const [name, data] = await reply
  stop.abort()
  const { complete, incomplete, downloaded, message } = data
  console.log(JSON.stringify([question, name, { complete, incomplete, downloaded, message }]))
}

await tell('start', () => client.start({ left: 0, numwant: 0 }))
await tell('scrape', () => client.scrape())
await tell('stop', () => client.stop())
client.destroy()
