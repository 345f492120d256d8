// Publishes with the SDK for Node.js and prints what each call came to, as JSON.
import Pusher from "pusher"

const { calls, ...options } = JSON.parse(process.argv[2])
const pusher = new Pusher(options)
const results = []
for (const [name, ...given] of calls) {
  try {
    const response = await pusher[name](...given)
    results.push({ status: response.status, body: await response.json() })
  } catch (error) {
    results.push({ status: error.status, body: JSON.parse(error.body) })
  }
}
console.log(JSON.stringify(results))
