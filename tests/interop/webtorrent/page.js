// A WebTorrent client in a page: `page.html?role=seeder&tracker=URL` shares payload.bin, which lies beside it;
// `role=leecher` fetches what payload.torrent describes. It tells on the console what happens, a line each.

import WebTorrent from './webtorrent.min.js'

const PIECE_LENGTH = 32 * 1024 // as in payload.torrent

const parameters = new URLSearchParams(location.search)
const announce = [parameters.get('tracker')]
const client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } }, utPex: false })
client.on('error', fail)

function say (...words) {
  console.log('page:', ...words)
}

function fail (error) {
  say('failed:', error.message)
}

async function read (name) {
  const response = await fetch(name)
  return new Uint8Array(await response.arrayBuffer())
}

function watch (torrent) {
  torrent.on('warning', warning => say('warned:', warning.message))
  torrent.on('wire', wire => say('peer by', wire.type))
  torrent.on('ready', () => {
    torrent.discovery.tracker.on('update', reply => say('counts', reply.complete, reply.incomplete))
  })
}

async function seed () {
  const payload = new File([await read('payload.bin')], 'payload.bin')
  watch(client.seed(payload, { announce, name: payload.name, pieceLength: PIECE_LENGTH }))
}

async function leech () {
  const torrent = client.add(await read('payload.torrent'), { announce })
  watch(torrent)
  torrent.on('done', async () => {
    const blob = await torrent.files[0].blob()
    const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())
    say('has', Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join(''))
  })
}

const run = parameters.get('role') === 'seeder' ? seed : leech
run().catch(fail)
