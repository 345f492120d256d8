"""Where the Redis history keeps what: the names of its keys and the scripts that change them, without I/O.

| key, after `broadcaster:<scope>:` | type | holds |
|---|---|---|
| `{history:admin}:messages` | stream | the messages of channel `admin`, each under the id `<seq>-1` |
| `{history:admin}:token:<token>` | string | epoch and number of the message that was appended with this token |

An entry has the fields `epoch`, `events` (how many of this epoch there were with it), `at` (seconds by the server's
clock) and `message`. The newest entry says where the next one goes on; one of number 0 and no message stands for an
epoch in which nothing was sent yet. There is no counter beside the stream that could be lost without it.

A server that was restarted, or a replica that has taken the place of another, may have lost the newest messages while
clients have them. The first shows another run id than before, the second another replication id, also when it had been
the master before; an epoch ends with a hash of both, as they were when it began. So no message is ever numbered in the
epoch of an earlier run.
"""

from typing import Final

from ..registries.redis_keys import Script

# How many of the oldest entries one message may drop. It adds one, so this is enough to catch up.
_DROPPED_AT_ONCE = 4

# Leaves in `epoch`, `seq` and `total` what the newest entry says; without one, no epoch and zeros.
_NEWEST = """
local function id_of(section, name)
    local info = redis.pcall('INFO', section)
    return type(info) == 'string' and string.match(info, name .. ':(%w+)')
end
local run = id_of('server', 'run_id')
if not run then return redis.error_reply('ERR a history needs the right to run INFO, which tells of restarts') end
run = string.sub(redis.sha1hex(run .. (id_of('replication', 'master_replid') or '')), 1, 10)
local entry = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch, seq, total = nil, 0, 0
if entry and string.sub(entry[2][2], -10) == run then
    epoch, seq, total = entry[2][2], tonumber(string.match(entry[1], '^%d+')), tonumber(entry[2][4])
elseif entry then
    redis.call('DEL', KEYS[1])
end
local now = tonumber(redis.call('TIME')[1])
"""

# KEYS: messages, the token's. ARGV: the name of an epoch, the message, how many events, how many to keep, the seconds
# that a message is kept, the seconds that the key is kept, those that the token is kept. Returns epoch and number.
APPEND: Final = Script(
    _NEWEST
    + """
local before = redis.call('GET', KEYS[2])
if before and epoch then
    local its_epoch, its_seq = string.match(before, '^(%S+) (%d+)$')
    if its_epoch == epoch then return {its_epoch, tonumber(its_seq)} end
end
epoch = epoch or (ARGV[1] .. run)
seq = seq + 1
total = total + tonumber(ARGV[3])
redis.call('XADD', KEYS[1], seq .. '-1', 'epoch', epoch, 'events', total, 'at', now, 'message', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('SET', KEYS[2], epoch .. ' ' .. seq, 'EX', ARGV[7])
local length, dropped = redis.call('XLEN', KEYS[1]), 0
for _, oldest in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', DROPPED_AT_ONCE)) do
    local has_enough = total - tonumber(oldest[2][4]) >= tonumber(ARGV[4])
    local is_old = tonumber(oldest[2][6]) < now - tonumber(ARGV[5])
    if dropped + 1 >= length or not (has_enough or is_old) then break end
    dropped = dropped + 1
end
if dropped > 0 then redis.call('XTRIM', KEYS[1], 'MAXLEN', length - dropped) end
return {epoch, seq}
""".replace("DROPPED_AT_ONCE", str(_DROPPED_AT_ONCE))
)

# KEYS: messages. What is there without an epoch begins one.
END: Final = Script("return redis.call('DEL', KEYS[1])")

# KEYS: messages. ARGV: the name of an epoch, the seconds that the key is kept, how many messages at most, what is asked
# for ('since', 'events', 'seconds' or ''), its number, and of 'since' the epoch. Returns the newest epoch and number,
# the numbers of the messages with spaces between them, and the messages with line breaks.
READ: Final = Script(
    _NEWEST
    + """
if not epoch then
    epoch = ARGV[1] .. run
    redis.call('XADD', KEYS[1], '0-1', 'epoch', epoch, 'events', 0, 'at', now, 'message', '')
    redis.call('EXPIRE', KEYS[1], ARGV[2])
end
local after, asked, number = seq, ARGV[4], tonumber(ARGV[5])
if asked == 'since' and ARGV[6] == epoch then
    after = number
elseif asked == 'events' or asked == 'seconds' then
    local to = '+'
    repeat
        local found = redis.call('XREVRANGE', KEYS[1], to, '-', 'COUNT', 100)
        for _, older in ipairs(found) do
            local is_enough = total - tonumber(older[2][4]) >= number
            if asked == 'seconds' then is_enough = tonumber(older[2][6]) < now - number end
            if is_enough then found = {} break end
            after = tonumber(string.match(older[1], '^%d+')) - 1
        end
        to = (after) .. '-1'
    until #found < 100 or after < 0
end
local numbers, messages = {}, {}
if after < seq then
    local from = math.max(after + 1, 1) .. '-0'
    for _, found in ipairs(redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[3])) do
        numbers[#numbers + 1] = string.match(found[1], '^%d+')
        messages[#messages + 1] = found[2][8]
    end
end
return {epoch, seq, table.concat(numbers, ' '), table.concat(messages, '\\n')}
"""
)
