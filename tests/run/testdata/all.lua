-- the language and its libraries
local m = require "m"
print(m.f(21), #arg, _VERSION, 7 // 2, 2 ^ 0.5, ("x"):rep(3))
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(co(), co(), co())
print(pcall(error, "thrown"), select(2, pcall(string.rep)), string.format("%q %5.1f", "a\nb", 1 / 3))
local t = {}
for w in ("b a c"):gmatch "%a" do t[#t + 1] = w end
table.sort(t)
print(table.concat(t, ","), os.time {year = 2000, month = 1, day = 1, hour = 0})
print(io.popen("echo popen"):read "a", os.execute("exit 3"))
print(pcall(require, "no_such_module"))
print(math.sin(1), math.tointeger(3.0), utf8.char(252))
os.exit(4)
