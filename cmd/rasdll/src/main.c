/* rasdll runs a RAS security library for rashost, which starts it; docs/native.md is its manual. */
#include "rasdll.h"

#include <dlfcn.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void die(const char *format, ...)
{
    char text[512];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    fprintf(stderr, "rasdll: %s\n", text);
    _exit(1);
}

static const char usage[] =
    "usage: rasdll [--hport handle|dword] [--registry FILE] [--name NAME] [--safe call|line|shared] LIBRARY\n"
    "       rasdll --check [--hport handle|dword] [--registry FILE] LIBRARY\n"
    "\n"
    "Runs a RAS security library; rashost starts it and speaks its protocol on standard input and output.\n"
    "  --check     load and unload the library, say what it lacks, and exit with 0 (nothing) or 1\n"
    "  --hport     how large the library's HPORT is, if it does not say so itself\n"
    "  --registry  a file with what the library finds in the registry: KEY, VALUE, sz or dword, DATA, with tabs between them\n"
    "  --name      the library's name for people; its file name if this is missing\n"
    "  --safe      how many calls may share a process; call if this is missing\n";

struct options {
    bool check;
    enum hport_size hport;
    const char *registry, *name, *safe, *library;
};

static void misused(const char *what)
{
    fprintf(stderr, "rasdll: %s\n%s", what, usage);
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"check", no_argument, NULL, 'c'},          {"hport", required_argument, NULL, 'h'}, {"registry", required_argument, NULL, 'r'},
        {"name", required_argument, NULL, 'n'},     {"safe", required_argument, NULL, 's'},  {"help", no_argument, NULL, '?' + 256},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.safe = "call"};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "+", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            o.check = true;
            break;
        case 'h':
            o.hport = strcmp(optarg, "handle") == 0 ? HPORT_HANDLE : strcmp(optarg, "dword") == 0 ? HPORT_DWORD : HPORT_UNKNOWN;
            if (o.hport == HPORT_UNKNOWN)
                misused("--hport is handle or dword");
            break;
        case 'r':
            o.registry = optarg;
            break;
        case 'n':
            o.name = optarg;
            break;
        case 's':
            o.safe = optarg;
            if (strcmp(o.safe, "call") != 0 && strcmp(o.safe, "line") != 0 && strcmp(o.safe, "shared") != 0)
                misused("--safe is call, line or shared");
            break;
        case '?' + 256:
            fputs(usage, stdout);
            exit(0);
        default:
            misused("there is no such option, or it lacks its value");
        }
    }
    if (optind + 1 != argc)
        misused("name one library");
    o.library = argv[optind];
    return o;
}

/* Loads and unloads the library, and says what it is. */
static int check(const struct options *o)
{
    if (!library_load(o->library, o->hport))
        return 1;
    printf("%s: HPORT is a %s (%s), SECURITY_MESSAGE has %d bytes, DllMain %s\n", o->library,
           library.hport == HPORT_DWORD ? "DWORD" : "HANDLE", library.hport_source, library.hport == HPORT_DWORD ? 288 : 296,
           library.dll_main != NULL ? "is there" : "is not there");
    library_detach(false);
    dlclose(library.handle);
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    const char *slash = strrchr(o.library, '/');

    if (o.registry != NULL)
        registry_load(o.registry);
    if (o.check)
        return check(&o);
    link_open();
    if (!library_load(o.library, o.hport))
        return 1;
    link_serve(o.name != NULL ? o.name : slash != NULL ? slash + 1 : o.library, o.safe);
    library_detach(true);
    exit(0); /* runs the library's destructors */
}
