"""Which symbols of the outside a node's libraries may refer to, and why."""

# C++ and C names (demangled; searched) that are refused whatever else is said here.
FORBIDDEN = [
    (r"^std::chrono::.*::now\(", "a clock: ask env.clock"),
    (r"^std::random_device\b|^_ZNSt13random_device", "entropy: ask env.random"),
    (r"^std::(jthread|thread|this_thread|condition_variable|timed_mutex|recursive_mutex|__future_base)\b",
     "a thread: spawn a fiber"),
    (r"^std::(filesystem|__fs)\b|^std::basic_(i|o|)f(stream|ilebuf)\b|^std::basic_filebuf\b", "a file: ask env.disk"),
    (r"^std::(cin|cout|clog|cerr|wcout|wcerr)$", "a stream of the process: ask env.log"),
    (r"^std::(locale::locale\(char const\*\)|locale::global)", "the environment's locale"),
    (r"^boost::(asio|filesystem|thread|chrono)\b", "an outside of its own"),
    (r"^(RAND_|EVP_RAND|BIO_(new_(file|fp|socket|connect|dgram|accept)|s_(file|fd|socket|connect|accept)))",
     "OpenSSL's entropy, files or sockets"),
    (r"^(clock|clock_\w+|time|gettimeofday|ftime|times|nanosleep|usleep|sleep|alarm|setitimer|timer_\w+|timerfd_\w+)$",
     "a clock: ask env.clock"),
    (r"^(rand|srand|rand_r|random|srandom|random_r|[dlmjen]+rand48(_r)?|getrandom|getentropy|arc4random\w*)$",
     "entropy: ask env.random"),
    (r"^(getenv|secure_getenv|setenv|putenv|environ|__environ)$", "the environment: take a field of NodeConfig"),
]

# C names (whole).
ALLOWED_C = [
    (r"mem(cpy|move|set|cmp|chr|rchr|mem)|bcmp|__mem(cpy|move|set)_chk", "memory"),
    (r"str(len|nlen|cmp|ncmp|chr|rchr|str|cspn|spn|pbrk|casecmp|ncasecmp|ncpy)", "strings, whatever the locale"),
    (r"strerror_r|__xpg_strerror_r", "the names of errno values, in error categories of Boost.System"),
    (r"malloc|calloc|realloc|free|aligned_alloc|posix_memalign", "memory"),
    (r"strto(l|ll|ul|ull|d|ld)|__isoc23_strto\w+|snprintf|vsnprintf|__v?snprintf_chk|__errno_location",
     "numbers as text, in the C locale that no node changes"),
    (r"__stack_chk_fail|__cxa_\w+|__gxx_personality_v0|_Unwind_\w+|__dynamic_cast|__dso_handle|_GLOBAL_OFFSET_TABLE_|"
     r"__tls_get_addr|_ITM_\w+|__gmon_start__|abort|__(u|)(div|mod)ti3|__popcountdi2", "what compilers emit"),
    (r"__libc_single_threaded", "whether std::shared_ptr may count without atomics"),
    (r"__(asan|ubsan|lsan|sanitizer)_\w+", "the sanitizers' build"),
    (r"__assert_fail", "assert() in libraries we include"),
    (r"pthread_(mutex_(un|)lock|once|key_create|getspecific|setspecific)|__pthread_key_create",
     "locks that inline code of libstdc++, protobuf and prometheus takes; with one thread they never wait"),
    (r"(make|jump|ontop)_fcontext", "Boost.Context: the switch of stacks"),
    (r"XXH\w+", "xxHash: arithmetic"),
    (r"sqlite3_\w+", "SQLite over our VFS, which replaces its clock, files and entropy"),
    (r"EVP_\w+|HMAC\w*|SHA\d*\w*|MD5\w*|CRYPTO_memcmp|CRYPTO_free|OPENSSL_\w+|ERR_\w+", "OpenSSL: digests"),
    (r"SSL_\w+|TLS_\w+|BIO_\w+|X509_\w+|PEM_\w+|d2i_\w+|i2d_\w+", "OpenSSL: TLS over memory"),
]

# C++ names (demangled, from the start), unless forbidden.
ALLOWED_CPP = [
    (r"(vtable for|VTT for|typeinfo for|typeinfo name for|guard variable for|TLS \w+ function for)\s", "of any type below"),
    (r"operator (new|delete)(\[\])?\(", "memory"),
    (r"(.*\s)?std::|__gnu_cxx::|__cxxabiv1::|.*\b(std|__gnu_cxx)::.*\boperator\b", 
     "the standard library; std::ios_base::Init, too, as protobuf's headers include <iostream>"),
    (r"(.*\s)?(keelson)::", "ours, from a library not given"),
    (r"(.*\s)?fmt::", "{fmt}: text"),
    (r"(.*\s)?boost::(json|urls|context|system|core|source_location|throw_exception|beast|detail|container)\b", "Boost: values"),
    (r"(.*\s)?google::protobuf::", "protobuf-lite: values"),
    (r"(.*\s)?pugi::", "pugixml: values"),
    (r"(.*\s)?prometheus::", "prometheus-cpp-core: counters and their text"),
]

# (member, symbol, reason): for one object file only (whole names, as patterns).
ALLOWED_IN_MEMBER = [
    (r"fiber\.cc\.o", r"mmap|munmap|mprotect", "guarded stacks for fibers: memory, nothing of the outside"),
    (r"check\.cc\.o", r"fprintf|__fprintf_chk|fputs|fwrite|fflush|stderr",
     "a failed CHECK says why on its way down, when no harness listens"),
]
