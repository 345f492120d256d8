// Calls one operation of the management API and prints what came of it as one line of JSON.
// The address and the credentials come from AWS's variables, as in a backend.
import {
    ApiGatewayManagementApiClient,
    DeleteConnectionCommand,
    GetConnectionCommand,
    PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi"

const commands = { post: PostToConnectionCommand, get: GetConnectionCommand, delete: DeleteConnectionCommand }
const client = new ApiGatewayManagementApiClient({ maxAttempts: 1 })

for (const [operation, ConnectionId, data] of JSON.parse(process.argv[2])) {
    try {
        const Data = typeof data === "number" ? "x".repeat(data) : data // a number is a length: arguments are limited
        const { $metadata, ...answer } = await client.send(new commands[operation]({ ConnectionId, Data }))
        console.log(JSON.stringify({ status: $metadata.httpStatusCode, ...answer }))
    } catch (error) {
        console.log(JSON.stringify({ status: error.$metadata?.httpStatusCode, error: error.name }))
    }
}
