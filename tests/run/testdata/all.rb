# the language, extension modules, processes and signals
%w[json digest zlib socket bigdecimal openssl timeout stringio].each { |l| require l }
$stdout.sync = true
puts JSON.generate({a: [1, 2.5, nil]}), Digest::SHA256.hexdigest("abc"), Zlib.crc32("x"), (BigDecimal("1.1") * 3).to_s
puts (1..5).map { |i| Thread.new { i * i } }.map(&:value).sum
r, w = IO.pipe
pid = fork { r.close; w.puts "from the child"; exit! 3 }
w.close
puts r.read
Process.wait pid
p $?.exitstatus
seen = Queue.new
trap("USR1") { seen << "usr1" }
Process.kill "USR1", $$
puts seen.pop
puts %x(echo backtick), system("exit 2"), $?.exitstatus
f = Fiber.new { Fiber.yield 1; 2 }
p f.resume, f.resume
begin
  Timeout.timeout(0.05) { sleep 5 }
rescue Timeout::Error => e
  puts e.class
end
a, b = UNIXSocket.pair
a.puts "line"
puts b.gets, OpenSSL::Digest.new("SHA1").hexdigest("x"), "größe".unicode_normalize(:nfd).length
GC.start
GC.compact rescue puts "no compaction"
def deep(n) = n == 0 ? 0 : 1 + deep(n - 1)
p deep(5000)
begin
  deep(10**7)
rescue SystemStackError => e
  puts e.class
end
at_exit { puts "at exit" }
raise "error"
