/*
 * The change of the epoch, section 6 of key-hierarchy.md, as a model for spin.
 *
 * `make model` checks every interleaving within the bounds below, in each of
 * the arrangements that conformance/model_test.go lists, and then breaks one
 * rule at a time (the MUT_ macros) to see that the property it serves fails.
 *
 * A comment `step("x")` marks the fault point of that name in internal/key, and
 * `func x` the function that a piece stands for: internal/key/model_test.go
 * fails for a fault point that the model lacks, for one that the code lacks, and
 * for a function that is not there.
 *
 * What is in the model
 *
 *   holders     of the root. A directory, which holds root, head and frontiers
 *               (root-store.md); two directories that mirror each other; or a
 *               directory and a vault, each with a part of the root (SPLIT).
 *   rows        keys, leaves taken, marks, the epoch and the generations, and
 *               backups of them, taken at any time, restored while no node runs.
 *   nodes       one, or two of which the newer deposes the older, which does
 *               not know and goes on. A token fences it off.
 *   faults      a crash between any two steps, those inside a holder's included;
 *               an error at the same places, after which the node goes on; one
 *               build that lacks a leaf too many; one write that comes out
 *               damaged.
 *   an attacker who kept every row, head and frontier that ever was (and, if
 *               SPLIT, every file), and reads what the holders hold now: he
 *               opens what any root opens that is not destroyed yet, complete
 *               or not.
 *
 * What is not: the cryptography (a root opens its head, a head its frontiers, a
 * frontier its leaves, nothing else opens anything), the first epoch, the loss
 * of a holder and its replacement, restoring rows under a node that runs, and
 * copies of R(e) made while e lived.
 *
 * Each building of an epoch is an attempt. Attempts of one number differ in
 * their secrets even when they cover the same leaves.
 */

#ifdef SPLIT
#define H 2             /* holder 0 is a directory, holder 1 a vault */
#define FILES 1         /* holders that are directories come first */
#else
#ifdef MIRROR
#define H 2
#define FILES 2
#else
#define H 1
#define FILES 1
#endif
#endif

#ifndef NODES
#define NODES 1
#endif
#ifndef FAULTS
#define FAULTS 2        /* crashes and errors */
#endif
#ifndef TAKES
#define TAKES 2         /* times that a node takes the lease, if NODES is 2 */
#endif
#ifndef RESTORES
#define RESTORES 1      /* backups that are restored; taken as often */
#endif
#ifndef BROKEN
#define BROKEN 1        /* builds that lack a leaf, or writes that come out damaged */
#endif

#ifndef AWAYS
#define AWAYS 0         /* times that a holder can't be reached for a while */
#endif

#define E 3             /* epochs: two changes */
#define S 2             /* shards */
#define L 3             /* leaves of a shard */
#define K 4             /* keys: 0 and 1 from the start, the others made on the way */
#define A 10            /* attempts */

/* The state of a root in a holder: the place of an epoch. */
#define NONE  0
#define PART  1         /* being written: not complete, may hold the root already */
#define DONE  2         /* complete */
#define GOING 3         /* off the list, being destroyed */

/* The state of a key in the rows. */
#define ABSENT 0
#define LIVE   1
#define MARKED 2
#define BURIED 3

#define IX(h,n)   ((h) * (E + 1) + (n))
#define FX(h,n,s) (IX(h,n) * S + (s))
#define GX(a,s)   ((a) * S + (s))
#define BIT(s,l)  (1 << ((s) * L + (l)))
#define ALL       ((1 << (S * L)) - 1)

/* Attempts. Attempt 1 is the first epoch. */
byte attempts = 1;
byte num[A];            /* its number */
byte cov[A];            /* the leaves that derive from it */
byte gen[A * S];        /* generation of each shard */
byte org[A * S];        /* the attempt that sealed the frontier of each shard */

/* Holders. */
byte ss[H * (E + 1)];   /* by epoch: NONE, PART, DONE, GOING */
byte at[H * (E + 1)];   /* the attempt there */
bit  dmg[H * (E + 1)];  /* came out damaged */
byte fr[FILES * (E + 1) * S]; /* by epoch and shard: the attempt whose frontier lies there */
byte fence[H];          /* the highest token seen */

/* Rows, and a backup of them. */
byte rowEpoch, rowGen[S], rowNext[S], rowKey[K];
byte bakEpoch, bakGen[S], bakNext[S], bakKey[K];
bit  bak;
byte lease;             /* the token of the node that may write */

/* What happened, which no fault undoes. */
byte made = 2;          /* keys made */
byte leafOf[K];         /* the leaf of each key, as a bit of cov */
byte doomed;            /* leaves of keys that were marked, ever */
bit  receipt[K];

byte faults = FAULTS, restores = RESTORES, backups = RESTORES, broken = BROKEN, takes = TAKES;
byte up;                /* nodes that run */
byte away;              /* the holder that can't be reached, and 1; 0 for none */
byte aways = AWAYS;
byte forgotten;         /* the epoch up to which every holder confirmed */
byte plan[A];           /* the leaves that each attempt is meant to keep */

hidden byte ch, cn, cm, cs, ck, ca, cf, cj;
hidden byte ok, found, some;

/* whole sets ok if epoch cn of holder ch opens: func (*Root).load on one holder. */
inline whole() {
	ok = (ss[IX(ch, cn)] == DONE && !dmg[IX(ch, cn)]);
	if
	:: ok && ch < FILES ->
		ca = at[IX(ch, cn)];
		cs = 0;
		do
		:: cs < S && gen[GX(ca, cs)] == 0 -> cs++
		:: cs < S && gen[GX(ca, cs)] > 0 ->
			found = 0;
			cm = cn;
			do
			:: cm > 0 && !found ->
				cf = fr[FX(ch, cm, cs)];
				if
				:: cf != 0 && gen[GX(cf, cs)] == gen[GX(ca, cs)] ->
					found = 1;
					ok = ok && (cf == org[GX(ca, cs)])
				:: else -> cm--
				fi
			:: else -> break
			od;
			ok = ok && found;
			cs++
		:: else -> break
		od
	:: else
	fi
}

/* opens sets ok if epoch cn opens from every holder, with the same content. */
inline opens() {
	some = 1;
	ch = 0;
	do
	:: ch < H ->
		whole();
		some = some && ok && at[IX(ch, cn)] == at[IX(0, cn)];
		ch++
	:: else -> break
	od;
	ok = some
}

/* check asserts what holds at every moment. */
inline check() {
	d_step {
		/* Nothing opens a key whose receipt exists. */
		ck = 0;
		do
		:: ck < K && receipt[ck] ->
			ch = H - FILES; /* SPLIT: the attacker has every file; the vault forgets */
			do
			:: ch < H ->
				cn = 1;
				do
				:: cn <= E ->
					assert(ss[IX(ch, cn)] == NONE || (cov[at[IX(ch, cn)]] & leafOf[ck]) == 0); /* SHREDDED */
					cn++
				:: else -> break
				od;
				ch++
			:: else -> break
			od;
			ck++
		:: ck < K && !receipt[ck] -> ck++
		:: else -> break
		od;

		/* Two complete copies of one epoch are the same. */
		cn = 1;
		do
		:: H == 2 && cn <= E ->
			assert(ss[IX(0, cn)] != DONE || ss[IX(H - 1, cn)] != DONE || at[IX(0, cn)] == at[IX(H - 1, cn)]); /* ONE HEAD */
			cn++
		:: else -> break
		od;

		/* Every living key opens from every holder (SPLIT: from the two together). */
		cj = 0;
		do
		:: cj < H ->
			cov[0] = 0; /* what opens from holder cj: attempt 0 is none */
			cn = 1;
			do
			:: cn <= E ->
#ifdef SPLIT
				opens();
#else
				ch = cj;
				whole();
#endif
				if
				:: ok -> cov[0] = cov[0] | cov[at[IX(cj, cn)]]
				:: else
				fi;
				cn++
			:: else -> break
			od;
			ck = 0;
			do
			:: ck < K ->
				assert(rowKey[ck] != LIVE || (leafOf[ck] & doomed) != 0 || (leafOf[ck] & cov[0]) != 0); /* SURVIVORS */
				ck++
			:: else -> break
			od;
			cj++
		:: else -> break
		od;
		cov[0] = 0;

		/* The rows are never ahead of the root. */
		cn = 1;
		some = 0;
		do
		:: cn <= E ->
			some = some || (cn >= rowEpoch && ss[IX(0, cn)] == DONE);
			cn++
		:: else -> break
		od;
		assert(some) /* ROWS */
	}
}

/* A step is what a crash can't cut. After it the node may crash, or see an error. */
#define STEP atomic {
#define END  check(); \
	if \
	:: faults > 0 -> faults--; goto crashed \
	:: faults > 0 -> faults--; goto failed \
	:: true \
	fi }

/* A holder that is away answers with an error. One that is there refuses a node
 * that was deposed, from the moment that the newer node first calls it; the rows
 * do so at once. */
#define THERE(h) if :: away == (h) + 1 -> goto failed :: else fi;
#if NODES > 1 && !defined(MUT_FENCE)
#define TOUCH(h) THERE(h) if :: tok < fence[h] -> goto crashed :: else -> fence[h] = tok fi;
#else
#define TOUCH(h) THERE(h)
#endif
#if NODES > 1
#define MINE     if :: tok != lease -> goto crashed :: else fi;
#else
#define MINE
#endif

/* collect removes the frontiers of shard s in holder h that attempt keep does not
 * name or that no complete epoch loads: func (*Store).removeFrontiers. */
inline collect(h, keep, s) {
	d_step {
		cj = 0; /* complete epochs, as a set */
		cn = 1;
		do
		:: cn <= E -> cj = cj | ((ss[IX(h, cn)] == DONE) << cn); cn++
		:: else -> break
		od;
		cn = 1;
		do
		:: cn <= E ->
			cf = fr[FX(h, cn, s)];
			if
			:: cf != 0 ->
				/* Some complete epoch at or above cn loads it, unless a later one wrote the name again. */
				found = (cj == 0);
				cm = cn;
				do
				:: cm <= E && !(cm > cn && fr[FX(h, cm, s)] != 0 && gen[GX(fr[FX(h, cm, s)], s)] == gen[GX(cf, s)]) ->
					found = found || ((cj >> cm) & 1);
					cm++
				:: else -> break
				od;
				if
				:: gen[GX(cf, s)] != gen[GX(keep, s)] || !found -> fr[FX(h, cn, s)] = 0
				:: else
				fi
			:: else
			fi;
			cn++
		:: else -> break
		od
	}
}

/* destroy ends epoch n in holder h: func (*Store).Destroy, root-store.md section 5. */
inline destroy(h, n, keep) {
	STEP
		TOUCH(h)
		if
		:: ss[IX(h, n)] == DONE -> ss[IX(h, n)] = GOING
		:: else
		fi;
	END;
	STEP
		TOUCH(h)
		ss[IX(h, n)] = NONE; at[IX(h, n)] = 0; dmg[IX(h, n)] = 0;
	END;
	if
	:: h < FILES ->
		STEP TOUCH(h) collect(h, keep, 0); END;
		STEP TOUCH(h) collect(h, keep, 1); END
	:: else
	fi
}

#ifdef MUT_RECEIPT
#define SKIPPED 1 /* the last holder is not waited for */
#else
#define SKIPPED 0
#endif

/* destroyAll is Destroy of the composition: func (*Store).destroy, func (*Store).confirm.
 * The older epoch goes only while every holder is there and opens the newer one.
 * Epochs that are not listed go with it. */
inline destroyAll(n, keep) {
	STEP
		bad = 0;
#ifndef MUT_CONFIRM
		d_step {
			cn = num[keep];
			opens();
			bad = n < num[keep] && n > forgotten && (away != 0 || !ok)
		};
#endif
	END;
	if :: bad -> goto failed :: else fi;
	i = 0;
	do
	:: i < H - (n < num[keep] -> SKIPPED : 0) ->
		if
		:: away == i + 1 && (n > num[keep] || n <= forgotten) /* waits for nobody */
		:: else -> destroy(i, n, keep)
		fi;
		i++
	:: else -> break
	od;
	if
	:: n < num[keep] && n > forgotten -> forgotten = n
	:: else
	fi
}
/* prepare writes attempt a to holder h: func (*Store).Prepare, root-store.md section 4. */
inline prepare(h, a) {
	STEP /* func (*Store).makeRoom, then the directory, the frontiers and the head */
		TOUCH(h)
		d_step {
			cn = 1;
			do
			:: cn <= E ->
				if
				:: ss[IX(h, cn)] == PART || ss[IX(h, cn)] == GOING ->
					ss[IX(h, cn)] = NONE; at[IX(h, cn)] = 0; dmg[IX(h, cn)] = 0
				:: else
				fi;
				if
				:: h < FILES && cn >= num[a] -> fr[FX(h, cn, 0)] = 0; fr[FX(h, cn, 1)] = 0
				:: else
				fi;
				cn++
			:: else -> break
			od;
			assert(ss[IX(h, num[a])] == NONE); /* STUCK: ErrExists */
			ss[IX(h, num[a])] = PART;
			at[IX(h, num[a])] = a;
			if
			:: h < FILES ->
				if :: org[GX(a, 0)] == a -> fr[FX(h, num[a], 0)] = a :: else fi;
				if :: org[GX(a, 1)] == a -> fr[FX(h, num[a], 1)] = a :: else fi
			:: else
			fi
		}
	END;
	STEP /* func (*Store).writeRoot */
		TOUCH(h)
		if
		:: ss[IX(h, num[a])] == PART ->
			ss[IX(h, num[a])] = DONE;
			if
			:: broken > 0 && h < FILES -> broken--; dmg[IX(h, num[a])] = 1
			:: true
			fi
		:: else /* another node was here */
		fi;
	END;
#ifndef MUT_READBACK
	STEP /* func (*Store).verify: what came out damaged is discarded */
		TOUCH(h)
		bad = dmg[IX(h, num[a])];
		if
		:: bad ->
			d_step {
				ss[IX(h, num[a])] = NONE; at[IX(h, num[a])] = 0; dmg[IX(h, num[a])] = 0;
				fr[FX(h, num[a], 0)] = 0; fr[FX(h, num[a], 1)] = 0
			}
		:: else
		fi;
	END;
	if :: bad -> goto failed :: else fi
#endif
}

/* list sets both to the epochs that every holder has complete, of those that are
 * there; if there is none, to the newest of any: func (*Store).list. */
inline list() {
	both = (1 << (E + 1)) - 1;
	any = 0;
	i = 0;
	do
	:: i < H ->
		STEP
			if
			:: away == i + 1 -> i++
			:: else ->
				TOUCH(i)
				d_step {
					cj = 0;
					cn = 1;
					do
					:: cn <= E -> cj = cj | ((ss[IX(i, cn)] == DONE) << cn); cn++
					:: else -> break
					od;
					both = both & cj;
					any = any | cj;
					i++
				}
			fi;
		END
	:: else -> break
	od;
#ifdef MUT_LIST
	both = any;
#endif
	skip;
	d_step {
		if
		:: both == 0 && any != 0 ->
			cn = E;
			do
			:: !((any >> cn) & 1) -> cn--
			:: else -> break
			od;
			both = 1 << cn
		:: else
		fi;
		any = 0
	}
}

/* load sets got to what opens as epoch n, from the first holder that opens it, or
 * to 0: func (*Store).load, func (*Root).load. */
inline load(n) {
	STEP
#ifdef SPLIT
		TOUCH(0)
		TOUCH(1)
#else
		if :: away != 1 -> TOUCH(0) :: else fi;
		if :: away != H -> TOUCH(H - 1) :: else fi;
#endif
		d_step {
			got = 0;
			cn = n;
#ifdef SPLIT
			opens();
			got = (ok -> at[IX(0, n)] : 0);
#else
			cj = 0;
			do
			:: cj < H ->
				ch = cj;
				whole();
				got = (got == 0 && ok && away != cj + 1 -> at[IX(cj, n)] : got);
				cj++
			:: else -> break
			od
#endif
		};
	END
}

proctype Node() {
	byte st;        /* the attempt that is open in memory */
	byte tok;       /* the node's token */
	byte nxt;       /* the attempt that is being made */
	byte gone;      /* the leaves to puncture */
	byte both;      /* complete epochs, as a set */
	byte n, i;
	byte any, got;
	bit bad, unsettled, opening;

start:
	atomic {
#if NODES > 1
		/* A node takes the lease whenever it lapses; who had it does not know. */
		if
		:: takes > 0 -> takes--
		:: takes == 0 -> goto done
		fi;
		lease = (fence[0] > lease -> fence[0] : lease);
		lease = (fence[H - 1] > lease -> fence[H - 1] : lease) + 1;
		tok = lease;
#endif
		up++;
		opening = 1
	}

	/* Open of the directory: what was being destroyed is destroyed. */
	i = 0;
	do
	:: i < H ->
		STEP
			TOUCH(i)
			d_step {
				cn = 1;
				do
				:: cn <= E ->
					if
					:: ss[IX(i, cn)] == GOING -> ss[IX(i, cn)] = NONE; at[IX(i, cn)] = 0; dmg[IX(i, cn)] = 0
					:: else
					fi;
					cn++
				:: else -> break
				od;
				i++
			};
		END
	:: else -> break
	od;

settle: /* func (*Root).settle */
	list();
	assert(both != 0 || away != 0); /* STUCK: no epoch */
	if :: both == 0 -> goto failed :: else fi;
	n = 1;
	do
	:: !((both >> n) & 1) -> n++
	:: else -> break
	od;
	if
	:: (both >> n) == 1 ->
		load(n);
		assert(got != 0 || away != 0); /* STUCK: the only epoch does not open */
		if :: got == 0 -> goto failed :: else fi;
		nxt = got;
#ifndef MUT_RETIRE
		if
		:: n > 1 -> n--; destroyAll(n, nxt)
		:: else
		fi
#endif
	:: else -> /* func (*Root).choose */
		assert((both >> n) == 3); /* STUCK: epochs far apart */
		load(n + 1);
		nxt = got;
		load(n);
		assert(got != 0 || nxt != 0 || away != 0); /* STUCK: neither opens */
		if :: got == 0 && nxt == 0 -> goto failed :: else fi;
		if
#ifdef MUT_CHOOSE
		/* The newer one wins if it has nothing that the older one lacks. */
		:: got != 0 && nxt != 0 && (cov[nxt] & ~cov[got]) != 0 -> nxt = 0
#else
		/* The newer one wins if it keeps what was meant to be kept: func (*epochState).planned. */
		:: got != 0 && nxt != 0 && cov[nxt] != plan[nxt] -> nxt = 0
#endif
		:: else
		fi;
		if
		:: nxt != 0 ->
			STEP END; /* step("finish") */
			destroyAll(n, nxt)
		:: else ->
			nxt = got;
			n++;
			destroyAll(n, nxt)
		fi
	fi;
	atomic { /* func (*Root).replace */
		st = nxt; nxt = 0; both = 0; n = 0; got = 0; bad = 0; unsettled = 0;
		if
		:: !opening -> goto change
		:: else
		fi
	}

	STEP /* func (*Keys).claim */
		MINE
		assert(rowEpoch <= num[st]); /* STUCK: ErrWrongRoot */
	END;
#ifndef MUT_RECONCILE
	if
	:: rowEpoch < num[st] ->
		STEP /* func (*Keys).reconcile */
			MINE
			d_step {
				ck = 0;
				do
				:: ck < K ->
					if
					:: rowKey[ck] == LIVE && (leafOf[ck] & cov[st]) == 0 -> rowKey[ck] = MARKED
					:: else
					fi;
					ck++
				:: else -> break
				od
			};
		END
	:: else
	fi;
#endif

resume: /* func (*Keys).resume */
	STEP
		d_step {
			gone = 0;
			ck = 0;
			do
			:: ck < K -> gone = gone | (rowKey[ck] == MARKED -> leafOf[ck] : 0); ck++
			:: else -> break
			od
		};
	END;
	if
	:: gone != 0 && unsettled -> goto settle
	:: else
	fi;

change: /* func (*Root).puncture */
	gone = gone & cov[st]; /* func (*epochState).living */
	if
	:: gone == 0 -> goto punctured
	:: else
	fi;
	STEP /* func (*Root).advance. Prepare will need every holder: here, to make no attempt in vain. */
		if :: away != 0 -> goto failed :: else fi;
		assert(attempts < A - 1 && num[st] < E); /* BOUND */
		attempts++;
		nxt = attempts;
		num[nxt] = num[st] + 1;
		cov[nxt] = cov[st] & ~gone;
		plan[nxt] = cov[nxt];
		d_step {
			cs = 0;
			do
			:: cs < S ->
				if
				:: ((gone >> (cs * L)) & ((1 << L) - 1)) != 0 ->
					gen[GX(nxt, cs)] = gen[GX(st, cs)] + 1; org[GX(nxt, cs)] = nxt
				:: else ->
					gen[GX(nxt, cs)] = gen[GX(st, cs)]; org[GX(nxt, cs)] = org[GX(st, cs)]
				fi;
				cs++
			:: else -> break
			od
		};
		if
		:: broken > 0 -> broken--; cov[nxt] = cov[nxt] & ~BIT(0, 1) /* key 1 would be lost */
		:: true
		fi;
	END; /* step("sealed") */

	unsettled = 1; /* func (*Root).commit */
#ifdef MUT_ADOPT
	atomic { rowEpoch = num[nxt]; check() };
#endif
	/* func (*Store).prepare, func (*Store).sweep: what an earlier attempt left
	 * complete in some holders goes first, from all. */
#ifndef MUT_SWEEP
	i = 0;
	do
	:: i < H && ss[IX(i, num[nxt])] != NONE -> destroy(i, num[nxt], st); i++
	:: i < H && ss[IX(i, num[nxt])] == NONE -> i++
	:: else -> break
	od;
#endif
	i = 0;
	do
	:: i < H -> prepare(H - 1 - i, nxt); i++ /* SPLIT: the vault first */
	:: else -> break
	od;
	STEP END; /* step("prepared") */
#ifndef MUT_READBACK
	load(num[nxt]);
	bad = (got != nxt); /* func same */
#ifndef MUT_PROOF
	bad = bad || cov[nxt] != (cov[st] & ~gone); /* func prove, func (*Keys).survivors */
#endif
	if
	:: bad ->
		destroyAll(num[nxt], st);
		unsettled = 0;
		goto failed
	:: else
	fi;
#endif
	STEP END; /* step("proven") */
	n = num[st];
	destroyAll(n, nxt);
	STEP END; /* step("destroyed") */
	atomic { st = nxt; nxt = 0; n = 0; got = 0; unsettled = 0; bad = 0 }; /* func (*Root).replace */

punctured:
	STEP END; /* step("punctured") */
	STEP /* func (*Keys).adoptLocked */
		MINE
		assert(rowEpoch <= num[st]); /* STUCK: ErrWrongRoot */
		d_step {
			rowEpoch = num[st];
			rowGen[0] = gen[GX(st, 0)];
			rowGen[1] = gen[GX(st, 1)]
		};
	END; /* step("adopted") */
	if
	:: opening ->
		d_step {
			ck = 0;
			do
			:: ck < K ->
				/* Rows from a backup show no destroyed key as living. */
				assert(rowKey[ck] != LIVE || (leafOf[ck] & cov[st]) != 0 || rowEpoch != num[st]); /* GONE */
				ck++
			:: else -> break
			od
		};
		atomic { opening = 0; goto serve }
	:: else
	fi;
	STEP /* func (*burial).key */
		MINE
		if
		:: rowEpoch == num[st] ->
			d_step {
				ck = 0;
				do
				:: ck < K ->
					if
					:: rowKey[ck] == MARKED && (leafOf[ck] & cov[st]) == 0 -> rowKey[ck] = BURIED; receipt[ck] = 1
					:: else
					fi;
					ck++
				:: else -> break
				od
			}
		:: else
		fi;
	END; /* step("buried") */

serve:
	atomic { i = 0; n = 0; gone = 0; nxt = 0; got = 0; bad = 0; both = 0 };
	if
	:: STEP /* func (*Keys).create, func (*Keys).takeLeaf */
		made < K ->
		if
		:: n = 0
		:: n = 1
		fi;
		d_step {
			cj = rowNext[n];
			do
			:: cj < L && (cov[st] & BIT(n, cj)) == 0 -> cj++
			:: else -> break
			od;
			if
			:: cj < L && rowGen[n] == gen[GX(st, n)] ->
				leafOf[made] = BIT(n, cj);
				doomed = doomed & ~BIT(n, cj);
				rowKey[made] = LIVE;
				rowNext[n] = cj + 1;
				made++
			:: else
			fi
		};
	   END;
	   goto serve
	:: STEP /* func (*Keys).Sweep, which adopts first */
		(rowKey[0] == LIVE || rowKey[2] == LIVE || rowKey[0] == MARKED || rowKey[1] == MARKED || rowKey[2] == MARKED || rowKey[3] == MARKED) ->
		MINE
		assert(rowEpoch <= num[st]);
		d_step {
			rowEpoch = num[st];
			rowGen[0] = gen[GX(st, 0)];
			rowGen[1] = gen[GX(st, 1)]
		};
	   END;
	   STEP /* func (*Keys).mark */
		MINE
		if
		:: rowEpoch == num[st] ->
			if
			:: rowKey[0] == LIVE -> rowKey[0] = MARKED; doomed = doomed | leafOf[0]
			:: true
			fi;
			if
			:: rowKey[2] == LIVE -> rowKey[2] = MARKED; doomed = doomed | leafOf[2]
			:: true
			fi
		:: else
		fi;
	   END; /* step("marked") */
	   goto resume
	:: atomic { /* the end: nothing is left to do */
		rowKey[0] == BURIED && rowKey[1] == LIVE && rowKey[2] != MARKED && rowKey[3] != MARKED ->
		goto done
	   }
	fi;

failed: /* an error: what is in memory stays */
	atomic {
		if
		:: !opening -> goto serve
		:: else -> goto crashed
		fi
	};

crashed: /* what is in memory is gone */
	atomic {
		up--;
		st = 0; tok = 0; nxt = 0; gone = 0; both = 0; any = 0; got = 0; n = 0; i = 0; bad = 0; unsettled = 0; opening = 0;
		goto start
	};

done:
	skip
}

/* Backups of the rows. */
proctype Backups() {
	do
	:: d_step { backups > 0 ->
			backups--; bak = 1;
			bakEpoch = rowEpoch;
			bakGen[0] = rowGen[0]; bakGen[1] = rowGen[1];
			bakNext[0] = rowNext[0]; bakNext[1] = rowNext[1];
			bakKey[0] = rowKey[0]; bakKey[1] = rowKey[1]; bakKey[2] = rowKey[2]; bakKey[3] = rowKey[3]
		}
	:: atomic { restores > 0 && bak && up == 0 ->
		d_step {
			restores--; bak = 0;
			rowEpoch = bakEpoch;
			rowGen[0] = bakGen[0]; rowGen[1] = bakGen[1];
			rowNext[0] = bakNext[0]; rowNext[1] = bakNext[1];
			rowKey[0] = bakKey[0]; rowKey[1] = bakKey[1]; rowKey[2] = bakKey[2]; rowKey[3] = bakKey[3]
		};
		check() }
	:: true -> break
	od
}

/* A disk that is not mounted, a device that is not plugged in. */
proctype Away() {
	do
	:: atomic { aways > 0 && away == 0 -> aways--; if :: away = 1 :: away = H fi }
	:: away != 0 -> away = 0
	:: aways == 0 && away == 0 -> break
	od
}

init {
	byte i;
	atomic {
		num[1] = 1; cov[1] = ALL;
		i = 0;
		do
		:: i < H -> ss[IX(i, 1)] = DONE; at[IX(i, 1)] = 1; i++
		:: else -> break
		od;
		rowEpoch = 1;
		rowKey[0] = LIVE; leafOf[0] = BIT(0, 0);
		rowKey[1] = LIVE; leafOf[1] = BIT(0, 1);
		rowNext[0] = 2;
		run Backups();
#if AWAYS > 0
		run Away();
#endif
		run Node();
#if NODES > 1
		run Node()
#endif
	}
}
