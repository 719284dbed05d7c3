# modules with native code, processes and signals
use strict; use warnings; $| = 1;
use POSIX qw(floor strftime WNOHANG :signal_h :sys_wait_h); use List::Util qw(sum first reduce); use Socket;
use Digest::SHA qw(sha256_hex); use Digest::MD5 qw(md5_hex); use MIME::Base64; use Storable qw(freeze thaw dclone);
use Data::Dumper; use Time::HiRes qw(ualarm usleep setitimer ITIMER_REAL); use Encode; use IO::Handle; use B; use Sys::Hostname; use Compress::Zlib;

print floor(-2.5), " ", strftime("%Y-%m-%d", gmtime(1e9)), " ", sum(1 .. 10), " ", (first { $_ > 3 } 1 .. 9), " ", (reduce { $a * $b } 1 .. 6), "\n";
print sha256_hex("abc"), " ", md5_hex("abc"), " ", encode_base64("text"), inet_ntoa(inet_aton("127.0.0.1")), "\n";
{ local $Data::Dumper::Sortkeys = 1; local $Data::Dumper::Indent = 0; print Dumper(thaw freeze { a => [1, 2], b => dclone { c => 3 } }), "\n"; }
print length(encode("UTF-8", "gr\x{fc}\x{df}e")), " ", uncompress(compress("zipped " x 3)), "\n";

my $alarms = 0; local $SIG{ALRM} = sub { $alarms++ };
setitimer(ITIMER_REAL, 0.01, 0.01); select(undef, undef, undef, 0.01) while $alarms < 3; setitimer(ITIMER_REAL, 0);
print "alarms\n";
eval { local $SIG{ALRM} = sub { die "timed out\n" }; ualarm 20_000; 1 while 1; }; print $@;

my @pids = map { my $n = $_; my $p = fork // die; exit $n unless $p; $p } 1 .. 4;
END { print "end block $?\n" if $? == 9 }
print join(",", map { waitpid($_, 0); $? >> 8 } @pids), "\n";
my $p = fork // die; if (!$p) { kill KILL => $$; } waitpid $p, 0; print "signal ", WTERMSIG($?), "\n";
{ my $reaped = 0; local $SIG{CHLD} = sub { while ((my $k = waitpid(-1, WNOHANG)) > 0) { $reaped++ } };
  for (1 .. 5) { my $c = fork // die; exit 0 unless $c } usleep 5000 while $reaped < 5; print "reaped $reaped\n"; }
socketpair(my $a1, my $b1, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; $a1->autoflush(1);
if (my $c = fork) { close $b1; print $a1 "ping\n"; print scalar <$a1>; waitpid $c, 0 } else { close $a1; my $l = <$b1>; $l =~ s/ping/pong/; print $b1 $l; $b1->flush; POSIX::_exit(0) }
open my $pipe, "-|", "echo", "from a pipe" or die; print <$pipe>; close $pipe; print qx(echo backtick), system("sh", "-c", "exit 6") >> 8, "\n";
my $set = POSIX::SigSet->new(SIGUSR1); sigprocmask(SIG_BLOCK, $set); my $usr = 0; $SIG{USR1} = sub { $usr++ };
kill USR1 => $$; print "blocked $usr\n"; sigprocmask(SIG_UNBLOCK, $set); print "unblocked $usr\n";

"abc" =~ /(?<x>b)(?{ print "in a pattern\n" })c/ and print "$+{x} $-[0]\n";
print sprintf("%vd %s %.15g\n", "1.22.333", join("", sort { $b cmp $a } split //, "pattern"), atan2(1, 1) * 4);
eval { require No::Such::Module }; print $@ =~ /^(Can't locate \S+)/, "\n";
warn "to stderr\n"; exit 9;
