function __jb_mark
    builtin printf $argv >/dev/tty 2>/dev/null
end
function __jb_end
    if test -n "$__jb_w"
        /bin/sh $__jb_w
        set -g __jb_w ''
    end
    set -l p $PWD
    string match -qr '[[:cntrl:]]' -- $p; and set p ''
    __jb_mark '\033]133;D;%s;jb=%s;%s\007' $argv[1] "$__jb_n$argv[2]" $p
end
function __jb_e
    set -l s $status
    set -g __jb_o ''
    __jb_end $s
    return $s
end
function __jb_d --on-event fish_postexec
    set -l s $status
    if test -n "$__jb_n" -a -n "$__jb_o"
        set -g __jb_o ''
        __jb_end $s !
    end
    return $s
end
function __jb_a --on-event fish_prompt
    set -l s $status
    if test -n "$__jb_n"
        __jb_mark '\033]133;A;jb=%s\007' $__jb_n
        set -g __jb_n ''
    end
    return $s
end
