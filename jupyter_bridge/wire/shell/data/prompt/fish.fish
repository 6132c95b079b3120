# What fish says at each prompt, and the key that runs take. `__JB` is `<key>:<folder>:`.
set -l given (string split : -- $__JB)
set -g __jb_key $given[1]
set -g __jb_dir $given[2]
set -e __JB
source $__jb_dir/fish
function __jb_shown --on-event fish_prompt
    set -l s $status
    set -g __jb_p 1
    __jb_mark '\033]133;A;jb=%s\007' $__jb_key
    return $s
end
function __jb_begun --on-event fish_preexec
    set -g __jb_p 0
    set -l text (string sub -l 1000 -- "$argv" | string collect)
    __jb_mark '\033]133;C;jb=%s;cmdline_url=%s\007' $__jb_key (string escape --style=url -- $text)
end
function __jb_done --on-event fish_postexec
    set -l s $status
    set -l p $PWD
    string match -qr '[[:cntrl:]]' -- $p; and set p ''
    __jb_mark '\033]133;D;%s;jb=%s;%s\007' $s $__jb_key $p
    return $s
end
function __jb_press
    set -l line
    # Whoever may write in /tmp may make a folder of our name there, if ours was cleaned away.
    test -O $__jb_dir; and not test -L $__jb_dir
    and test -r $__jb_dir/$fish_pid.line; and read -l line <$__jb_dir/$fish_pid.line
    if test "$__jb_p" = 1; and string match -q ' *' -- $line
        commandline -f cancel
        commandline -r -- $line
        commandline -f execute
    else
        __jb_mark '\033]133;R;jb=%s\007' $__jb_key
    end
end
for mode in default insert visual replace replace_one
    bind -M $mode \e\[7482~ true
    bind -M $mode \e\[7483~ __jb_press
end
